// SPDX-License-Identifier: BSD-2-Clause
// procfs: the machinery. What there is to see is in proc_*.cpp.
#include "view/procfs.h"

#include <algorithm>

#include "file/file_system.h"
#include "view/text_file.h"

namespace tine::view {
namespace {

using file::Entry;
using file::FileType;
using file::Inode;
using process::Process;

constexpr uint64_t kRootInode = 1;
constexpr uint64_t kProcMagic = 0x9fa0;
constexpr uint64_t kFirstOffset = 2;   // behind "." and ".."

// The same node has the same number at each lookup, without a table of them.
uint64_t inode_number(const Node& node, const Subject& subject) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const uint64_t part : {reinterpret_cast<uint64_t>(&node), static_cast<uint64_t>(subject.pid),
                              static_cast<uint64_t>(subject.tid), static_cast<uint64_t>(subject.descriptor + 1),
                              reinterpret_cast<uint64_t>(subject.setting), uint64_t{subject.path_length}}) {
    hash = (hash ^ part) * 0x100000001b3;
    hash ^= hash >> 29;
  }
  return (hash & 0xffff'ffff'ffff) | 0x1000'0000'0000;
}

// What a process's nodes belong to: its user, or root where that user may not look into it.
struct Owner {
  identity::Uid uid = 0;
  identity::Gid gid = 0;
};
Owner owner_of(const Node& node, const Subject& subject) {
  if (subject.pid == 0) return {};
  const auto process = process_of(subject);
  if (!process) return {};
  const auto credentials = (*process)->credentials();
  if (!credentials || (node.guarded && !(*process)->has(process::kDumpable))) return {};
  return {credentials->euid, credentials->egid};
}

class NodeFile final : public TextFile, public mem::FromCache<NodeFile> {
 public:
  NodeFile(const Node& node, const Subject& subject, uint32_t flags, const file::Path& path)
      : TextFile(flags, path), node_(node), subject_(subject) {}

 private:
  Result<> print(TextSink& sink) override {
    if (node_.guarded) TRY(inspector().check(*TRY(process_of(subject_))));
    return node_.print(sink, subject_);
  }
  Result<> store(std::string_view text) override {
    if (node_.store == nullptr) return Error(Errno::Perm);
    return node_.store(text, subject_);
  }

  const Node& node_;
  const Subject subject_;
};

class ProcInode final : public Inode, public mem::FromCache<ProcInode> {
 public:
  ProcInode(file::FileSystem& procfs, uint64_t number, const Node& node, const Subject& subject, Owner owner)
      : Inode(procfs, number, node.mode, owner.uid, owner.gid), node_(node), subject_(subject) {}

  Result<> may_change_attributes() const override { return Error(Errno::Perm); }

  Result<Ref<Entry>> lookup(Entry& here, std::string_view name) override {
    TRY(check_guard());
    const Directory& directory = *node_.directory;
    for (const Node& node : directory.nodes)
      if (node.name == name) return make_entry(here, name, node, subject_);
    if (directory.find == nullptr) return Error(Errno::NoEnt);
    return directory.find(here, name, subject_);
  }

  Result<> iterate(Entry&, uint64_t offset, file::DirectorySink& sink) override {
    TRY(check_guard());
    const Directory& directory = *node_.directory;
    if (subject_.pid != 0 && !process_of(subject_)) return Error(Errno::NoEnt);
    const uint64_t listed = kFirstOffset + directory.nodes.size();   // from here on come the names that come and go
    for (; offset < listed; ++offset) {
      const Node& node = directory.nodes[offset - kFirstOffset];
      if (!sink.add(node.name, inode_number(node, subject_), file::type_of(node.mode), offset + 1)) return {};
    }
    if (directory.list == nullptr) return {};
    Listing listing(sink, listed);
    return directory.list(offset - listed, listing, subject_);
  }

  Result<std::string_view> read_link(std::span<char> into) override {
    if (node_.read_link == nullptr) return Error(Errno::Inval);
    TRY(check_guard());
    return node_.read_link(into, subject_);
  }
  Result<file::Path> follow() override {
    if (node_.follow == nullptr) return file::Path();
    TRY(check_guard());
    return node_.follow(subject_);
  }

  Result<Ref<file::File>> open(const file::Path& path, uint32_t flags) override {
    TRY(check_guard());
    if (node_.open != nullptr) return node_.open(path, flags, subject_);
    return Ref<file::File>(TRY(mem::make_ref<NodeFile>(node_, subject_, flags, path)));
  }
  Result<> truncate(uint64_t) override { return {}; }   // for the shell's ">"

  const Node& node() const { return node_; }
  const Subject& subject() const { return subject_; }

 private:
  Result<> check_guard() const {
    if (!node_.guarded) return {};
    return inspector().check(*TRY(process_of(subject_)));
  }

  const Node& node_;
  const Subject subject_;
};

constexpr Node kRootNode{.name = "", .mode = file::mode_of(FileType::Directory) | 0555, .directory = &kRootDirectory};

class Procfs final : public file::FileSystem, public mem::FromCache<Procfs> {
 public:
  Procfs() : FileSystem("proc") {}
  Result<> make_root() {
    auto root = TRY(mem::make_ref<ProcInode>(*this, kRootInode, kRootNode, Subject(), Owner()));
    root_ = TRY(Entry::make(nullptr, "", std::move(root)));
    return {};
  }
  Entry& root() override { return *root_; }
  void statistics(file::FileSystemStatistics& into) override { into.magic = kProcMagic; }

 private:
  Ref<Entry> root_;
};

constinit Procfs* procfs = nullptr;   // made at boot, never destroyed

constinit file::FileSystemType procfs_type{
    "proc", [](std::string_view) -> Result<Ref<file::FileSystem>> { return Ref<file::FileSystem>(procfs); }};

}  // namespace

bool Listing::add(std::string_view name, const Node& node, const Subject& subject, uint64_t next) {
  return sink_.add(name, inode_number(node, subject), file::type_of(node.mode), base_ + next);
}

Result<Ref<Entry>> make_entry(Entry& here, std::string_view name, const Node& node, const Subject& subject) {
  auto inode =
      TRY(mem::make_ref<ProcInode>(*procfs, inode_number(node, subject), node, subject, owner_of(node, subject)));
  return Entry::make(Ref<Entry>(&here), name, std::move(inode));
}

Result<Ref<Process>> process_of(const Subject& subject) {
  Ref<Process> process = process::find_process(subject.pid);
  if (!process || process->start_time != subject.start_time) return Error(Errno::Srch);
  return process;
}

Result<Ref<process::Thread>> thread_of(const Subject& subject) {
  const Ref<Process> process = TRY(process_of(subject));
  Ref<process::Thread> thread;
  if (subject.tid != 0 && subject.tid != subject.pid) {
    thread = process::find_thread(subject.tid);
  } else {
    sync::SpinGuard guard(process->lock);
    thread = process->first_thread;
  }
  if (!thread || &thread->process() != process.get()) return Error(Errno::Srch);
  return thread;
}

Result<Ref<Process>> process_of_directory(const file::File& file) {
  const file::Inode* inode = file.path().empty() ? nullptr : file.inode();
  if (inode == nullptr || &inode->file_system != procfs) return Error(Errno::BadF);
  const auto& place = static_cast<const ProcInode&>(*inode);
  if (&place.node() != &kProcessNode) return Error(Errno::BadF);
  return process_of(place.subject());
}

process::Inspector inspector() {
  return process::Inspector(process::current().process(), process::InspectorIds::FileSystem);
}

file::Path root_of_caller() { return process::current().process().fs()->root(); }

Result<process::PidNumber> parse_name(std::string_view name) {
  const auto number = parse_number<process::PidNumber>(name, 0, INT32_MAX);
  const bool canonical = !name.empty() && (name[0] != '0' || name.size() == 1) &&
                         std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; });
  if (!number || !canonical) return Error(Errno::NoEnt);
  return *number;
}

Result<> init_procfs() {
  auto made = TRY(mem::make_ref<Procfs>());
  TRY(made->make_root());
  procfs = made.detach();
  register_own_settings();
  file::register_file_system(procfs_type);
  return {};
}

}  // namespace tine::view
