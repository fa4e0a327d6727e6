// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID and /proc/PID/task/TID: what there is to see of a process and of a thread.
#include <algorithm>

#include "base/format.h"
#include "view/mounts_file.h"
#include "view/procfs.h"

namespace tine::view {
namespace {

using file::FileType;
using file::mode_of;
using process::PidNumber;
using process::Process;

constexpr uint32_t kText = mode_of(FileType::Regular) | 0444;
constexpr uint32_t kLink = mode_of(FileType::Symlink) | 0777;

// --- Texts ---

Result<> print_comm(TextSink& sink, const Subject& subject) {
  const auto thread = TRY(thread_of(subject));
  char name[sizeof thread->name];
  {
    sync::SpinGuard guard(thread->process().lock);
    std::copy_n(thread->name, sizeof name, name);
  }
  sink.put(name);
  sink.put('\n');
  return {};
}

// Writing renames the thread: one of the writer's own process only.
Result<> store_comm(std::string_view text, const Subject& subject) {
  const auto thread = TRY(thread_of(subject));
  Process& process = thread->process();
  if (&process != &process::current().process()) return Error(Errno::Inval);
  sync::SpinGuard guard(process.lock);
  const size_t size = std::min(text.size(), sizeof thread->name - 1);
  std::fill(std::begin(thread->name), std::end(thread->name), '\0');
  std::copy_n(text.data(), size, thread->name);
  if (thread->is_first()) std::copy_n(thread->name, sizeof process.name, process.name);
  return {};
}

Result<> print_limits(TextSink& sink, const Subject& subject) {
  struct Row {
    const char* name;
    const char* unit;
  };
  constexpr Row kRows[] = {{"Max cpu time", "seconds"}, {"Max file size", "bytes"}, {"Max data size", "bytes"},
                           {"Max stack size", "bytes"}, {"Max core file size", "bytes"}, {"Max resident set", "bytes"},
                           {"Max processes", "processes"}, {"Max open files", "files"}, {"Max locked memory", "bytes"},
                           {"Max address space", "bytes"}, {"Max file locks", "locks"}, {"Max pending signals", "signals"},
                           {"Max msgqueue size", "bytes"}, {"Max nice priority", ""}, {"Max realtime priority", ""},
                           {"Max realtime timeout", "us"}};
  static_assert(std::size(kRows) == static_cast<size_t>(process::Resource::kCount));
  const auto limits = TRY(process_of(subject))->limits();
  if (!limits) return {};   // a zombie's
  const auto print_value = [&](uint64_t value) {
    if (value == process::kUnlimited) sink.print("%-20s ", "unlimited");
    else sink.print("%-20llu ", static_cast<unsigned long long>(value));
  };
  sink.print("%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
  for (size_t i = 0; i < std::size(kRows); ++i) {
    sink.print("%-25s ", kRows[i].name);
    print_value(limits->values[i].current);
    print_value(limits->values[i].maximum);
    sink.print("%-10s\n", kRows[i].unit);
  }
  return {};
}

Result<> print_wchan(TextSink& sink, const Subject& subject) {
  const auto thread = TRY(thread_of(subject));
  const char* name = thread->wait_name.load();
  const bool asleep = thread->state.load() == sched::ThreadState::Sleeping;
  sink.put(asleep && name != nullptr ? name : "0");
  return {};
}

// --- Links ---

Result<std::string_view> name_of(const file::Path& path, std::span<char> into) {
  if (path.empty()) return Error(Errno::NoEnt);
  return file::path_name(path, root_of_caller(), into);
}

Result<file::Path> follow_exe(const Subject& subject) {
  const file::Path path = TRY(inspector().executable_of(*TRY(process_of(subject))));
  if (path.empty()) return Error(Errno::NoEnt);   // a kernel process or a zombie
  return path;
}
Result<file::Path> follow_cwd(const Subject& subject) {
  const auto fs = TRY(inspector().fs_of(*TRY(process_of(subject))));
  if (!fs) return Error(Errno::NoEnt);
  return fs->working_directory();
}
Result<file::Path> follow_root(const Subject& subject) {
  const auto fs = TRY(inspector().fs_of(*TRY(process_of(subject))));
  if (!fs) return Error(Errno::NoEnt);
  return fs->root();
}
template <Result<file::Path> (*kFollow)(const Subject&)>
Result<std::string_view> read_followed(std::span<char> into, const Subject& subject) {
  return name_of(TRY(kFollow(subject)), into);
}

// --- Directories ---

constexpr Node kThreadNodes[] = {
    {.name = "stat", .mode = kText, .print = print_stat},
    {.name = "status", .mode = kText, .print = print_status},
    {.name = "statm", .mode = kText, .print = print_statm},
    {.name = "comm", .mode = mode_of(FileType::Regular) | 0644, .print = print_comm, .store = store_comm},
    {.name = "cmdline", .mode = kText, .print = print_cmdline},
    {.name = "environ", .mode = mode_of(FileType::Regular) | 0400, .guarded = true, .print = print_environ},
    {.name = "auxv", .mode = mode_of(FileType::Regular) | 0400, .guarded = true, .print = print_auxv},
    {.name = "wchan", .mode = kText, .print = print_wchan},
    {.name = "limits", .mode = kText, .print = print_limits},
    {.name = "maps", .mode = kText, .guarded = true, .print = print_maps},
    {.name = "mem", .mode = mode_of(FileType::Regular) | 0600, .guarded = true, .open = open_memory},
    {.name = "exe", .mode = kLink, .guarded = true, .read_link = read_followed<follow_exe>, .follow = follow_exe},
    {.name = "cwd", .mode = kLink, .guarded = true, .read_link = read_followed<follow_cwd>, .follow = follow_cwd},
    {.name = "root", .mode = kLink, .guarded = true, .read_link = read_followed<follow_root>, .follow = follow_root},
    {.name = "fd", .mode = mode_of(FileType::Directory) | 0500, .guarded = true, .directory = &kDescriptorDirectory},
    {.name = "fdinfo", .mode = mode_of(FileType::Directory) | 0500, .guarded = true, .directory = &kDescriptorInfoDirectory},
    {.name = "mounts", .mode = kText, .open = open_mounts},
    {.name = "mountinfo", .mode = kText, .open = open_mountinfo},
#if TINE_DEBUG
    {.name = "fail-nth", .mode = mode_of(FileType::Regular) | 0644, .open = open_fail_nth},
#endif
};

constexpr Directory kThreadDirectory{.nodes = kThreadNodes};
constexpr Node kThreadNode{
    .name = "", .mode = mode_of(FileType::Directory) | 0555, .directory = &kThreadDirectory};

// The same, and the threads.
constexpr auto kProcessNodes = [] {
  std::array<Node, std::size(kThreadNodes) + 1> nodes;
  std::copy(std::begin(kThreadNodes), std::end(kThreadNodes), nodes.begin());
  nodes.back() = {.name = "task", .mode = mode_of(FileType::Directory) | 0555, .directory = &kTaskDirectory};
  return nodes;
}();
constexpr Directory kProcessDirectory{.nodes = kProcessNodes};

Result<Ref<file::Entry>> find_thread_entry(file::Entry& here, std::string_view name, const Subject& subject) {
  Subject thread_subject = subject;
  thread_subject.tid = TRY(parse_name(name));
  if (thread_subject.tid == 0 || !thread_of(thread_subject)) return Error(Errno::NoEnt);
  return make_entry(here, name, kThreadNode, thread_subject);
}

// Ids in ascending order, so that reading can go on behind the last one seen whatever threads come and go meanwhile.
Result<> list_threads(uint64_t from, Listing& listing, const Subject& subject) {
  const auto process = TRY(process_of(subject));
  auto ids = TRY(mem::Buffer<PidNumber>::make(process->thread_count.load() + 16));
  size_t count = 0;
  {
    sync::SpinGuard guard(process->lock);
    for (const process::Thread& thread : process->threads) {
      if (count == ids.size()) break;
      ids[count++] = thread.shown_id();
    }
  }
  if (count == 0) ids[count++] = process->pid();   // a zombie shows its first thread
  std::sort(ids.data(), ids.data() + count);
  for (const PidNumber id : ids.span().first(count)) {
    if (static_cast<uint64_t>(id) < from) continue;
    Subject thread_subject = subject;
    thread_subject.tid = id;
    char name[16];
    if (!listing.add(format(name, "%d", id), kThreadNode, thread_subject, static_cast<uint64_t>(id) + 1)) break;
  }
  return {};
}

}  // namespace

constinit const Directory kTaskDirectory{.nodes = {}, .find = find_thread_entry, .list = list_threads};
constinit const Node kProcessNode{
    .name = "", .mode = mode_of(FileType::Directory) | 0555, .directory = &kProcessDirectory};

}  // namespace tine::view
