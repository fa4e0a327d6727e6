// SPDX-License-Identifier: BSD-2-Clause
// procfs: processes and the kernel's state as files, in the formats of Linux, which ps, top and their kin read. The tree is
// described by tables of nodes; what depends on processes is found when it is looked up, and nothing is kept: an entry
// lives as long as somebody uses it. Source: proc(5).
// Rule: a node names a process by its number and start time, never by a reference, so that looking at a process does
// not keep its number from being used again. Embryos are not shown (seed row C1), zombies are.
#pragma once

#include <span>
#include <string_view>

#include "file/entry.h"
#include "file/file.h"
#include "file/file_system.h"
#include "process/inspection.h"
#include "view/setting.h"
#include "view/text_sink.h"

namespace tine::view {

// Whom a node is about.
struct Subject {
  process::PidNumber pid = 0;        // 0: the system
  Nanoseconds start_time = 0;        // of that process
  process::PidNumber tid = 0;        // below task/: the thread, as programs see it
  int descriptor = -1;               // below fd/ and fdinfo/
  const Setting* setting = nullptr;  // below sys/: one whose path begins as the node's does ...
  size_t path_length = 0;            // ... and how much of it the two have in common
};

struct Directory;

// One name in a directory. What it is (file, directory, link) is said by `mode`, and by what is set.
struct Node {
  std::string_view name;
  uint32_t mode;
  bool guarded = false;              // only for whoever may look into the process: inspector()
  // A file of text ...
  Result<> (*print)(TextSink& sink, const Subject& subject) = nullptr;
  Result<> (*store)(std::string_view text, const Subject& subject) = nullptr;
  // ... or one that does its own reading and writing.
  Result<Ref<file::File>> (*open)(const file::Path& path, uint32_t flags, const Subject& subject) = nullptr;
  const Directory* directory = nullptr;
  // A link: its text; and where it leads, if not where the text says.
  Result<std::string_view> (*read_link)(std::span<char> into, const Subject& subject) = nullptr;
  Result<file::Path> (*follow)(const Subject& subject) = nullptr;
};

// Passes entries on to a reader of a directory whose fixed nodes come first.
class Listing {
 public:
  Listing(file::DirectorySink& sink, uint64_t base) : sink_(sink), base_(base) {}
  // `next`: from where to go on after this one. False: stop.
  bool add(std::string_view name, const Node& node, const Subject& subject, uint64_t next);

 private:
  file::DirectorySink& sink_;
  const uint64_t base_;
};

struct Directory {
  std::span<const Node> nodes;
  // The names that come and go: one of them (NoEnt), and all from position `from` on.
  Result<Ref<file::Entry>> (*find)(file::Entry& here, std::string_view name, const Subject& subject) = nullptr;
  Result<> (*list)(uint64_t from, Listing& listing, const Subject& subject) = nullptr;
};

// The entry for `node` under `name` in `here`.
Result<Ref<file::Entry>> make_entry(file::Entry& here, std::string_view name, const Node& node, const Subject& subject);

// --- For the nodes' functions ---
Result<Ref<process::Process>> process_of(const Subject& subject);     // Srch when it is gone
Result<Ref<process::Thread>> thread_of(const Subject& subject);       // of a process: its first thread
// The process whose directory in a /proc an open file is; BadF when it is none.
Result<Ref<process::Process>> process_of_directory(const file::File& file);
// The running process, as who looks into others. What guarded nodes show they take from it, whatever has been checked before.
process::Inspector inspector();
file::Path root_of_caller();
// The decimal number that `name` is, without leading zeros; NoEnt.
Result<process::PidNumber> parse_name(std::string_view name);

// --- The directories ---
extern const Directory kRootDirectory;       // proc_root.cpp
extern const Node kProcessNode;              // proc_process.cpp: PID/ ...
extern const Directory kTaskDirectory;       // ... and PID/task/
extern const Directory kDescriptorDirectory, kDescriptorInfoDirectory;   // proc_descriptors.cpp
extern const Directory kTineDirectory;       // proc_tine.cpp
extern const Directory kSettingDirectory;    // proc_settings.cpp: sys/, made of the registered settings

// --- What nodes print ---
Result<> print_cpuinfo(TextSink&, const Subject&);       // proc_cpuinfo.cpp
Result<> print_stat(TextSink&, const Subject&);          // proc_stat.cpp
Result<> print_statm(TextSink&, const Subject&);
Result<> print_status(TextSink&, const Subject&);        // proc_status.cpp
Result<> print_cmdline(TextSink&, const Subject&);       // proc_arguments.cpp
Result<> print_environ(TextSink&, const Subject&);
Result<> print_auxv(TextSink&, const Subject&);
Result<> print_maps(TextSink&, const Subject&);          // proc_memory.cpp
Result<Ref<file::File>> open_memory(const file::Path&, uint32_t flags, const Subject&);
Result<Ref<file::File>> open_fail_nth(const file::Path&, uint32_t flags, const Subject&);   // proc_fail_nth.cpp
Result<> print_mounts(TextSink&, const Subject&);        // proc_mounts.cpp
Result<> print_mountinfo(TextSink&, const Subject&);

// What /proc/tine/trace shows; the layer above sets it at boot.
Result<> print_charges(TextSink&, const Subject&);       // proc_charges.cpp
void set_trace_text(Result<> (*print)(TextSink& sink));   // proc_tine.cpp

// Ticks of 1/100 s, in which Linux tells times to programs.
constexpr uint64_t to_ticks(Nanoseconds time) { return time / (kSecond / 100); }

// Boot: the file system type "proc".
Result<> init_procfs();

}  // namespace tine::view
