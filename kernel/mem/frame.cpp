// SPDX-License-Identifier: BSD-2-Clause
#include "mem/frame.h"

#include <algorithm>
#include <array>

#include "base/assert.h"
#include "base/audit.h"
#include "base/units.h"
#include "machine/boot.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "mem/buddy.h"
#include "mem/fault_injection.h"
#include "mem/stack_depth.h"
#include "sync/spinlock.h"

namespace tine::mem {

namespace detail {
constinit Frame* frame_records = nullptr;
constinit Frame* frame_of_zeros = nullptr;
}  // namespace detail

namespace {

constexpr size_t kUses = static_cast<size_t>(FrameUse::Pinned) + 1;
constexpr uint64_t kLeastMemory = 8_MiB;  // less cannot even hold a program

// Single free frames at hand for one CPU, and how many frames of each use were taken less given back there: a frame
// may be freed on another CPU than the one that allocated it, so only the sums mean something.
struct alignas(machine::kCacheLine) CpuCache {
  static constexpr uint32_t kMost = 64;
  static constexpr unsigned kBatchOrder = 5;
  static constexpr uint32_t kBatch = 1u << kBatchOrder;

  uint32_t count = 0;
  std::array<int64_t, kUses> used{};
  std::array<Frame*, kMost> frames{};
};

constinit std::array<CpuCache, machine::kMaxCpus> caches;
constinit sync::Spinlock lock("frames");
constinit Buddy buddy GUARDED_BY(lock);
constinit uint64_t total_frames = 0;
constinit uint64_t record_frames = 0;   // what the records themselves occupy

// Interrupts off.
CpuCache& local_cache() { return caches[machine::cpu_id()]; }

#if TINE_DEBUG
// Freed frames are filled, so that a stale pointer reads rubbish, and checked when they are next taken, so that a
// stale write is found. The mark in the record says that there is something to check.
constexpr uint8_t kPoisonByte = 0xdd;
constexpr uint64_t kPoisonWord = 0xdddd'dddd'dddd'dddd;
constexpr uint16_t kPoisonMark = 0xdddd;

void poison(Frame& frame) {
  __builtin_memset(contents_of<void>(frame), kPoisonByte, kPageSize);
  frame.reserved = kPoisonMark;
}
void check_poison(Frame& frame) {
  if (frame.reserved != kPoisonMark) return;
  const auto* words = contents_of<uint64_t>(frame);
  for (size_t i = 0; i < kPageSize / 8; i++)
    if (words[i] != kPoisonWord)
      panic("frame %#llx was written at offset %zu after it was freed: %#llx",
            static_cast<unsigned long long>(address_of(frame)), i * 8, static_cast<unsigned long long>(words[i]));
}
#else
void poison(Frame&) {}
void check_poison(Frame&) {}
#endif

void begin_use(Frame& frame, FrameUse use, unsigned order) {
  frame.refs.store(1, std::memory_order_relaxed);
  frame.use = use;
  frame.order = static_cast<uint8_t>(order);
  frame.low_used = 0;
  frame.high_used = 0;
  frame.reserved = 0;
}

[[gnu::noinline]] bool refill(CpuCache& cache) {
  sync::SpinGuard guard(lock);
  for (unsigned order = CpuCache::kBatchOrder + 1; order-- != 0;) {
    Frame* first = buddy.allocate(order);
    if (first == nullptr) continue;
    const uint32_t frames = 1u << order;
    for (uint32_t i = 0; i < frames; i++) {
      Frame& frame = *(first + (frames - 1 - i));  // the lowest address is used first
      frame.refs.store(0, std::memory_order_relaxed);
      frame.use = FrameUse::Free;
      frame.order = 0;
      frame.reserved = 0;
      cache.frames[cache.count++] = &frame;
    }
    return true;
  }
  return false;
}

[[gnu::noinline]] void give_back(CpuCache& cache, uint32_t frames) {
  sync::SpinGuard guard(lock);
  // The oldest: what was freed last is warm in the CPU's caches.
  for (uint32_t i = 0; i < frames; i++) buddy.free(*cache.frames[i], 0);
  std::copy(cache.frames.begin() + frames, cache.frames.begin() + cache.count, cache.frames.begin());
  cache.count -= frames;
}

// The last reference is gone.
void free_frame(Frame& frame) {
  if (frame.use == FrameUse::Free || frame.use == FrameUse::Unusable)
    panic("frame %#llx freed twice", static_cast<unsigned long long>(address_of(frame)));
  poison(frame);
  machine::BriefInterruptGuard guard;
  CpuCache& cache = local_cache();
  cache.used[static_cast<size_t>(frame.use)]--;
  frame.use = FrameUse::Free;
  if (cache.count == CpuCache::kMost) [[unlikely]] give_back(cache, CpuCache::kBatch);
  cache.frames[cache.count++] = &frame;
}

Frame* take_frame(FrameUse use) {
  machine::BriefInterruptGuard guard;
  CpuCache& cache = local_cache();
  if (cache.count == 0 && !refill(cache)) [[unlikely]] return nullptr;
  cache.used[static_cast<size_t>(use)]++;
  return cache.frames[--cache.count];
}

Frame* take_block(FrameUse use, unsigned order) {
  sync::SpinGuard guard(lock);
  Frame* first = buddy.allocate(order);
  if (first != nullptr) local_cache().used[static_cast<size_t>(use)] += int64_t{1} << order;
  return first;
}

void zero(Frame& frame, size_t size) { __builtin_memset(contents_of<void>(frame), 0, size); }

}  // namespace

Result<Frame*> allocate_frame(FrameUse use, Contents contents) {
  if (should_fail()) return Error(Errno::NoMem);
  Frame* frame = take_frame(use);
  if (frame == nullptr) [[unlikely]] return Error(Errno::NoMem);
  check_poison(*frame);
  begin_use(*frame, use, 0);
  if (contents == Contents::Zeroed) zero(*frame, kPageSize);
  return frame;
}

Result<Frame*> allocate_block_uninjected(FrameUse use, unsigned order, Contents contents) {
  if (order > Buddy::kMaxOrder) return Error(Errno::NoMem);
  Frame* first = order == 0 ? take_frame(use) : take_block(use, order);
  if (first == nullptr) [[unlikely]] return Error(Errno::NoMem);
  check_poison(*first);
  begin_use(*first, use, order);
  if (contents == Contents::Zeroed) zero(*first, kPageSize << order);
  return first;
}

Result<Frame*> allocate_block(FrameUse use, unsigned order, Contents contents) {
  if (should_fail()) return Error(Errno::NoMem);
  return allocate_block_uninjected(use, order, contents);
}

void free_block(Frame& first) {
  const uint32_t references = first.refs.exchange(0, std::memory_order_acq_rel);
  if (references != 1)
    panic("block %#llx freed with %u references", static_cast<unsigned long long>(address_of(first)), references);
  if (first.order == 0) return free_frame(first);
  const unsigned order = first.order;
  sync::SpinGuard guard(lock);
  local_cache().used[static_cast<size_t>(first.use)] -= int64_t{1} << order;
  buddy.free(first, order);
}

void detail::end_use(Frame& frame, uint32_t references) {
  if (references == 0)
    panic("frame %#llx released without a reference", static_cast<unsigned long long>(address_of(frame)));
  free_frame(frame);
}

void pin_range(PhysAddr start, PhysAddr end) {
  sync::SpinGuard guard(lock);
  buddy.pin(start >> machine::kPageShift, round_up(end, kPageSize) >> machine::kPageShift);
}

void give_range(PhysAddr start, PhysAddr end) {
  const FrameNumber first = start >> machine::kPageShift, last = round_up(end, kPageSize) >> machine::kPageShift;
  sync::SpinGuard guard(lock);
  buddy.take_pinned(first, last);
  total_frames += last - first;
}

namespace {

// Other CPUs may allocate between the two looks, and one whose hypervisor let it wait may be in the midst of it for some
// milliseconds; what is really lost stays lost.
void audit_frames(AuditReport& report) {
  constexpr Nanoseconds kLongest = 100'000'000;
  const Nanoseconds end = machine::now() + kLongest;
  uint64_t counted, found;
  do {
    counted = count_frames().free;
    found = count_free_frames();
    if (counted == found) return;
  } while (machine::now() < end);
  report.problem("%llu free by the counters, %llu in the lists", static_cast<unsigned long long>(counted),
                 static_cast<unsigned long long>(found));
}

}  // namespace

Result<> init_frames() {
  const machine::BootInfo& boot = machine::boot_info();
  PhysAddr highest = boot.highest_address;
  if (!boot.initrd.empty())
    highest = std::max(highest, machine::virtual_to_physical(boot.initrd.data() + boot.initrd.size()));
  const PhysAddr limit = std::min(round_up(highest, Buddy::kBlockFrames * kPageSize), Buddy::kMaxFrames * kPageSize);

  // Frame 0 stays unused, as 0 is how "no frame" is written.
  auto clip = [&](const machine::MemoryRange& range) {
    return machine::MemoryRange{std::max(range.start, PhysAddr{kPageSize}), std::min(range.end, limit)};
  };

  // The records lie at the end of the largest range.
  const uint64_t size = round_up((limit >> machine::kPageShift) * sizeof(Frame), kPageSize);
  const machine::MemoryRange* home = nullptr;
  uint64_t memory = 0;
  for (const machine::MemoryRange& range : boot.usable) {
    if (clip(range).start >= clip(range).end) continue;
    memory += clip(range).end - clip(range).start;
    if (home == nullptr || range.end - range.start > home->end - home->start) home = &range;
  }
  if (home == nullptr || home->end - home->start < size || memory < size + kLeastMemory) return Error(Errno::NoMem);
  const PhysAddr records = std::min(home->end, limit) - size;
  detail::frame_records = machine::physical_to_virtual<Frame>(records);
  record_frames = size / kPageSize;
  total_frames = memory / kPageSize;

  {
    sync::SpinGuard guard(lock);
    buddy.init(detail::frame_records);
    for (const machine::MemoryRange& range : boot.usable) {
      const auto [start, end] = clip(range);
      const PhysAddr free_end = &range == home ? records : end;
      if (!buddy.announce(start >> machine::kPageShift, free_end >> machine::kPageShift)) return Error(Errno::NoMem);
    }
  }
  Frame* zeros = TRY(allocate_frame(FrameUse::Pinned, Contents::Zeroed));
  detail::frame_of_zeros = zeros;
  register_audit("frames", audit_frames);
  register_stack_audit();
  return {};
}

FrameCounts count_frames() {
  std::array<int64_t, kUses> used{};
  for (const CpuCache& cache : caches)
    for (size_t use = 0; use < kUses; use++) used[use] += __atomic_load_n(&cache.used[use], __ATOMIC_RELAXED);
  auto of = [&](FrameUse use) { return static_cast<uint64_t>(used[static_cast<size_t>(use)]); };
  FrameCounts counts{.total = total_frames,
                     .free = 0,
                     .kernel = of(FrameUse::Kernel) + of(FrameUse::Pinned) + record_frames,
                     .table = of(FrameUse::Table),
                     .user = of(FrameUse::User),
                     .file = of(FrameUse::File)};
  counts.free = counts.total - counts.kernel - counts.table - counts.user - counts.file;
  return counts;
}

uint64_t count_free_frames() {
  uint64_t frames = 0;
  for (const CpuCache& cache : caches) frames += __atomic_load_n(&cache.count, __ATOMIC_RELAXED);
  sync::SpinGuard guard(lock);
  return frames + buddy.count_free_frames();
}

void drain_frame_caches() {
  machine::BriefInterruptGuard guard;
  CpuCache& cache = local_cache();
  give_back(cache, cache.count);
}

}  // namespace tine::mem
