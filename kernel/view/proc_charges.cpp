// SPDX-License-Identifier: BSD-2-Clause
// /proc/tine/charges: what the kernel keeps for whom. Lines, by their first word:
//   kind NAME BYTES-OF-ONE [total N of MOST reserve N] [most-of-user N]
//   lasting BYTES of MOST                    of ordinary users, of the kinds that outlive processes
//   user UID NAME COUNT                      what is not zero
//   cache NAME KIND                          which kind the objects of a cache are counted as, or `-` and why they are not
// A test compares the last with /proc/tine/objects: a new type of object has to be given its kind, or a reason.
#include <algorithm>

#include "identity/charge.h"
#include "mem/kernel_stack.h"
#include "mem/object_cache.h"
#include "process/process.h"
#include "view/procfs.h"

namespace tine::view {
namespace {

using identity::Kept;

unsigned long long number(uint64_t value) { return value; }

struct CacheKind {
  std::string_view cache;   // its name's end
  std::string_view kind;    // the first word: a kind of identity/kept.h, or "-"
};

// What a process, a thread, an open file, ... has a fixed number of goes with it.
constexpr CacheKind kCacheKinds[] = {
    {"process::Process", "processes"},
    {"process::Pid", "processes (its own, its group's, its session's)"},
    {"process::ProcessGroup", "processes (at least one is in it, or was its leader)"},
    {"process::Session", "processes (as a group)"},
    {"process::SignalActions", "processes"},
    {"process::ActionTable", "processes"},
    {"process::Limits", "processes"},
    {"process::ArgumentBlock", "processes (its text is bounded by ARG_MAX)"},
    {"process::IntervalTimers", "processes"},
    {"process::PinTable", "processes"},
    {"process::Profiled", "processes"},
    {"process::LifeWatchers", "processes"},
    {"process::Tracee", "threads"},
    {"process::Thread", "threads"},
    {"process::QueuedSignal", "signals (real-time ones; of others a process or thread has 31 at most)"},
    {"process::PosixTimer", "timers"},
    {"process::PidFile", "open-files"},
    {"trace::Traced", "processes"},
    {"vm::AddressSpace", "processes"},
    {"vm::WritableMapping", "processes (regions: vm.max_map_count)"},
    {"RegionTree<", "processes (regions: vm.max_map_count)"},
    {"DescriptorTree<", "processes (descriptors: RLIMIT_NOFILE)"},
    {"file::DescriptorTable", "processes"},
    {"file::FsContext", "processes"},
    {"file::Veil", "processes (128 rules at most)"},
    {"file::VeilRule", "processes (128 of a table at most)"},
    {"identity::Credentials", "processes (and what it has sent or opened)"},
    {"identity::UserRecord", "- one for each user that is known"},
    {"file::PathOnlyFile", "open-files"},
    {"file::OpenDirectory", "open-files"},
    {"file::OpenRegular", "open-files"},
    {"file::OpenFileInode", "open-files"},
    {"file::MemoryDevice", "open-files"},
    {"file::RandomDevice", "open-files"},
    {"file::MessageDevice", "open-files"},
    {"file::PipeFile", "open-files"},
    {"file::UnixSocket", "open-files"},
    {"event::EventFile", "open-files"},
    {"event::TimerFile", "open-files"},
    {"event::SignalFile", "open-files"},
    {"event::EpollFile", "open-files"},
    {"event::EpollSet", "open-files"},
    {"event::KqueueFile", "open-files"},
    {"event::Kqueue", "open-files"},
    {"view::TtyFile", "open-files"},
    {"view::NodeFile", "open-files"},
    {"view::FailNthFile", "open-files"},
    {"view::MemoryFile", "open-files"},
    {"view::MountsFile", "open-files"},
    {"view::PtyMaster", "open-files"},
    {"view::PtySlave", "ptys"},
    {"view::ProcInode", "open-files (made for a lookup)"},
    {"view::Node", "ptys (its inode)"},
    {"file::Pipe", "pipes"},
    {"file::UnixEndpoint", "sockets"},
    {"file::UnixAddress", "sockets"},
    {"file::UnixMessage", "message-bytes"},
    {"file::PassedFiles", "files-in-flight"},
    {"event::EpollItem", "epoll-items"},
    {"EpollItem::Source", "epoll-items"},
    {"Note", "knotes"},
    {"file::FileLocks", "file-locks (or inodes)"},
    {"Held", "file-locks"},
    {"file::Entry", "names (of tmpfs; others are made for a lookup)"},
    {"file::TmpfsDirectory", "inodes"},
    {"file::TmpfsRegular", "inodes"},
    {"file::TmpfsSymlink", "inodes"},
    {"file::TmpfsSpecial", "inodes"},
    {"file::FileObject", "inodes"},
    {"vm::PageStore::Node", "file-pages, segment-pages, or pages of processes"},
    {"vm::AnonymousObject", "processes (regions), or segments"},
    {"vm::SharedSegment", "segments"},
    {"file::Tmpfs", "- mount(2) is root's"},
    {"file::PageQuota", "- mount(2) is root's"},
    {"file::Mount", "- mount(2) is root's"},
    {"view::Procfs", "- made at boot"},
    {"view::Devpts", "- made at boot"},
    {"view::Root", "- made at boot"},
    {"view::SerialTty", "- made at boot"},
    {"file::LinkedFile", "- while the initrd is unpacked"},
    {"Chunk", "threads (poll(2)'s, while it runs: RLIMIT_NOFILE)"},
    {"PollList::Piece", "threads (poll(2)'s, while it runs: RLIMIT_NOFILE)"},
    {"buffer-", "- text and data of objects of other kinds"},
};

// Names are those of types, as "tine::file::(anonymous namespace)::Held" or "tine::vm::RegionTree<...>::Node".
const CacheKind* kind_of(std::string_view cache) {
  constexpr std::string_view kAnonymous = "(anonymous namespace)::";
  char plain[128];
  size_t size = 0;
  while (!cache.empty() && size < sizeof plain) {
    if (cache.starts_with(kAnonymous)) cache.remove_prefix(kAnonymous.size());
    plain[size++] = cache.front();
    cache.remove_prefix(1);
  }
  const std::string_view name(plain, size);
  const auto fits = [name](const CacheKind& row) {
    const bool is_beginning = row.cache.ends_with('-') || row.cache.ends_with('<');
    return is_beginning ? name.contains(row.cache) : name.ends_with(row.cache);
  };
  const auto* const found = std::ranges::find_if(kCacheKinds, fits);
  return found != std::end(kCacheKinds) ? found : nullptr;
}

void print_bound(TextSink& sink, Kept kind) {
  const identity::KeptKind& description = identity::description_of(kind);
  const identity::Bound& bound = identity::bound_of(kind);
  sink.print("kind %s %u", description.name, description.bytes);
  if (description.has_total)
    sink.print(" total %llu of %llu reserve %llu", number(identity::total_of(kind)), number(bound.of_all), number(bound.reserve));
  if (bound.of_user != identity::kNoBound) sink.print(" most-of-user %llu", number(bound.of_user));
  sink.put('\n');
}

void print_user(TextSink& sink, const identity::UserRecord& user) {
  for (size_t kind = 0; kind < identity::kKeptKinds; kind++)
    if (const uint64_t held = user.held(static_cast<Kept>(kind)); held != 0)
      sink.print("user %u %s %llu\n", user.uid, identity::kKept[kind].name, number(held));
  sink.print("user %u kernel-stacks %llu\n", user.uid, number(user.held(Kept::Threads) * mem::kKernelStackSize));
}

}  // namespace

Result<> print_charges(TextSink& sink, const Subject&) {
  for (size_t kind = 0; kind < identity::kKeptKinds; kind++) print_bound(sink, static_cast<Kept>(kind));
  sink.print("lasting %llu of %llu\n", number(identity::lasting_bytes()), number(identity::lasting_bound()));
  for (auto user = identity::next_user(0); user != nullptr; user = identity::next_user(user->uid + 1)) {
    print_user(sink, *user);
    if (user->uid == ~identity::Uid{0}) break;
  }
  for (mem::ObjectCache* cache = mem::ObjectCache::first(); cache != nullptr; cache = cache->next()) {
    const CacheKind* const kind = kind_of(cache->name());
    sink.print("cache %s: ", cache->name());
    sink.put(kind != nullptr ? kind->kind : std::string_view("unknown"));
    sink.put('\n');
  }
  return {};
}

}  // namespace tine::view
