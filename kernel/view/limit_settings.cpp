// SPDX-License-Identifier: BSD-2-Clause
// Settings that bound what users can make the kernel keep: under Linux's names where Linux has one, else under kern/ as the
// BSDs name such things. What each bounds, and its default, is in docs/security.md. Source: proc(5), "/proc/sys"; pipe(7);
// OpenBSD's sysctl(2) for kern.maxlocksperuid; FreeBSD's RLIMIT_SBSIZE, here a setting.
#include <bit>

#include "file/pipe.h"
#include "identity/charge.h"
#include "process/limits.h"
#include "view/pty.h"
#include "view/setting.h"
#include "vm/address_space.h"
#include "vm/shared_segment.h"

namespace tine::view {
namespace {

using identity::Bound;
using identity::Kept;
using identity::kNoBound;

Result<> print_value(TextSink& sink, uint64_t value) {
  sink.print("%llu\n", static_cast<unsigned long long>(value));
  return {};
}

template <auto kValue>   // a function that gives a reference to an atomic
Result<> print_atomic(TextSink& sink) { return print_value(sink, kValue().load()); }
template <auto kValue, uint64_t kLeast, uint64_t kMost>
Result<> store_atomic(std::string_view text) {
  using Number = decltype(kValue().load());
  kValue().store(static_cast<Number>(TRY(parse_number<uint64_t>(text, kLeast, kMost))));
  return {};
}

template <Kept kKind, std::atomic<uint64_t> Bound::*kPart>
std::atomic<uint64_t>& part_of() { return identity::bound_of(kKind).*kPart; }

template <Kept kKind>
Result<> print_total(TextSink& sink) { return print_value(sink, identity::total_of(kKind)); }

// fs.pipe-user-pages-*: 0 means that there is no bound.
Result<> print_pipe_hard(TextSink& sink) {
  const uint64_t most = identity::bound_of(Kept::PipePages).of_user;
  return print_value(sink, most == kNoBound ? 0 : most);
}
Result<> store_pipe_hard(std::string_view text) {
  const auto most = TRY(parse_number<uint64_t>(text, 0, INT64_MAX));
  identity::bound_of(Kept::PipePages).of_user = most == 0 ? kNoBound : most;
  return {};
}
Result<> store_pipe_size(std::string_view text) {
  file::pipe_limits.largest = std::bit_ceil(std::max<uint32_t>(TRY(parse_number<uint32_t>(text, 0, 1u << 31)), mem::kPageSize));
  return {};
}

// fs.file-nr: open, allocated but free (which Linux has always said is 0), and the most.
Result<> print_files(TextSink& sink) {
  sink.print("%llu\t0\t%llu\n", static_cast<unsigned long long>(identity::total_of(Kept::OpenFiles)),
             static_cast<unsigned long long>(identity::bound_of(Kept::OpenFiles).of_all.load()));
  return {};
}

Result<> print_threads(TextSink& sink) { return print_value(sink, process::thread_slots().limit()); }
Result<> store_threads(std::string_view text) {
  constexpr unsigned kMostThreads = 4'194'304;   // as many as there are thread ids
  process::thread_slots().set_limit(TRY(parse_number<unsigned>(text, process::TableSlots::kReservedForRoot + 1, kMostThreads)));
  return {};
}

std::atomic<uint64_t>& segment_bytes() { return vm::SharedSegment::most_bytes; }
std::atomic<uint64_t>& pipe_soft() { return file::pipe_limits.soft; }
std::atomic<uint32_t>& pipe_size() { return file::pipe_limits.largest; }
std::atomic<uint32_t>& map_count() { return vm::AddressSpace::max_regions; }

template <Kept kKind, std::atomic<uint64_t> Bound::*kPart, uint64_t kMost = UINT64_MAX - 1>
consteval Setting bound_setting(const char* path) {
  return {path, print_atomic<part_of<kKind, kPart>>, store_atomic<part_of<kKind, kPart>, 0, kMost>};
}

constinit Setting limit_settings[] = {
    {"kernel/threads-max", print_threads, store_threads},
    {"kernel/shmmax", print_atomic<segment_bytes>, store_atomic<segment_bytes, 0, UINT64_MAX>},
    bound_setting<Kept::SegmentPages, &Bound::of_all>("kernel/shmall"),
    bound_setting<Kept::Segments, &Bound::of_all, vm::SharedSegment::kMostSegments>("kernel/shmmni"),
    bound_setting<Kept::Ptys, &Bound::of_all, kMaxPtys>("kernel/pty/max"),
    bound_setting<Kept::Ptys, &Bound::reserve, kMaxPtys>("kernel/pty/reserve"),
    {"kernel/pty/nr", print_total<Kept::Ptys>},
    bound_setting<Kept::OpenFiles, &Bound::of_all>("fs/file-max"),
    {"fs/file-nr", print_files},
    bound_setting<Kept::EpollItems, &Bound::of_user>("fs/epoll/max_user_watches"),
    {"fs/pipe-max-size", print_atomic<pipe_size>, store_pipe_size},
    {"fs/pipe-user-pages-soft", print_atomic<pipe_soft>, store_atomic<pipe_soft, 0, INT64_MAX>},
    {"fs/pipe-user-pages-hard", print_pipe_hard, store_pipe_hard},
    {"vm/max_map_count", print_atomic<map_count>, store_atomic<map_count, 0, INT32_MAX>},
    bound_setting<Kept::FileLocks, &Bound::of_user>("kern/maxlocksperuid"),
    bound_setting<Kept::Knotes, &Bound::of_user>("kern/maxknotesperuid"),
    bound_setting<Kept::MessageBytes, &Bound::of_user>("kern/maxsbsizeperuid"),
    {"kern/maxlasting", print_atomic<identity::lasting_bound>, store_atomic<identity::lasting_bound, 0, UINT64_MAX>},
};

}  // namespace

void register_limit_settings() { register_settings(limit_settings); }

}  // namespace tine::view
