// SPDX-License-Identifier: BSD-2-Clause
#include "mem/object_cache.h"

#include <atomic>

#include "base/units.h"
#include "machine/cpu.h"
#include "mem/fault_injection.h"

namespace tine::mem {

// A CPU's stock of free objects. Its owner uses it with interrupts off and no lock.
struct ObjectCache::Magazine {
  static constexpr uint32_t kRoom = 30;
  static constexpr uint32_t kBatch = kRoom / 2;

  uint32_t count;
  int64_t live;     // allocated less freed on this CPU; only the sum over CPUs means something
  void* objects[kRoom];
};

namespace {

// Empty slabs that a cache keeps against going back and forth to the frame allocator.
constexpr uint32_t kSpareSlabs = 1;

constinit std::atomic<ObjectCache*> first_cache{nullptr};

// A free object's first bytes hold the index of the next free one in its slab.
uint16_t& link_of(void* object) { return *static_cast<uint16_t*>(object); }

#if TINE_DEBUG
// Behind each object lies its state and the cache that it belongs to. Freed objects are filled, and must still be full
// of that when they are next allocated.
constexpr uint64_t kLive = 0x6c69'7665'6f62'6a21, kFree = 0x6672'6565'6f62'6a21;
constexpr unsigned char kFreedByte = 0xdd, kFreshByte = 0xcd;

struct Trailer {
  uint64_t state;
  const ObjectCache* cache;
};
static_assert(sizeof(Trailer) == 16);

Trailer& trailer_of(void* object, size_t size) {
  return *reinterpret_cast<Trailer*>(static_cast<char*>(object) + ((size + 7) & ~size_t{7}));
}
#endif

}  // namespace

void* ObjectCache::allocate() {
  if (should_fail()) return nullptr;
  if (magazines_ == nullptr && !prepare()) [[unlikely]] return nullptr;
  void* object;
  {
    machine::BriefInterruptGuard guard;
    Magazine& magazine = magazines_[machine::cpu_id()];
    if (magazine.count == 0 && !refill(magazine)) [[unlikely]] return nullptr;
    object = magazine.objects[--magazine.count];
    magazine.live++;
  }
  mark_live(object);
  return object;
}

void ObjectCache::free(void* object) {
  if (object == nullptr) return;
  mark_free(object);
  machine::BriefInterruptGuard guard;
  Magazine& magazine = magazines_[machine::cpu_id()];
  if (magazine.count == Magazine::kRoom) [[unlikely]] give_back(magazine, Magazine::kBatch);
  magazine.objects[magazine.count++] = object;
  magazine.live--;
}

// The first use of a cache makes its magazines.
bool ObjectCache::prepare() {
  static_assert(sizeof(Magazine) * machine::kMaxCpus <= kPageSize);
  auto frame = allocate_block_uninjected(FrameUse::Kernel, 0, Contents::Zeroed);
  if (!frame) return false;
  {
    sync::SpinGuard guard(lock_);
    if (magazines_ == nullptr) {
      next_ = first_cache.load(std::memory_order_relaxed);
      while (!first_cache.compare_exchange_weak(next_, this, std::memory_order_release)) {
      }
      __atomic_store_n(&magazines_, contents_of<Magazine>(**frame), __ATOMIC_RELEASE);
      return true;
    }
  }
  release(**frame);  // another CPU came first
  return true;
}

Frame& ObjectCache::slab_of(void* object) const {
  return frame_of(round_down(machine::virtual_to_physical(object), kPageSize << shape_.order));
}

void* ObjectCache::object_at(const Frame& slab, size_t index) const {
  return contents_of<char>(slab) + index * shape_.stride;
}

// A slab with a free object, made if there is none.
Frame* ObjectCache::partial_slab() {
  if (!partial_.empty()) [[likely]] return partial_.first();
  auto block = allocate_block_uninjected(FrameUse::Kernel, shape_.order, Contents::Undefined);
  if (!block) return nullptr;
  Frame& slab = **block;
  for (uint16_t i = 0; i < shape_.objects; i++) {
    void* object = object_at(slab, i);
    mark_new(object);
    link_of(object) = static_cast<uint16_t>(i + 1);
  }
  partial_.push_front(slab);
  empty_slabs_++;
  slabs_++;
  return &slab;
}

void* ObjectCache::take_from(Frame& slab) {
  void* object = object_at(slab, slab.low_used);
  slab.low_used = link_of(object);
  if (slab.high_used++ == 0) empty_slabs_--;
  if (slab.high_used == shape_.objects) partial_.remove(slab);
  return object;
}

void ObjectCache::return_to_slab(void* object) {
  Frame& slab = slab_of(object);
  const auto offset = static_cast<size_t>(static_cast<char*>(object) - contents_of<char>(slab));
  DEBUG_ASSERT(slab.use == FrameUse::Kernel && slab.order == shape_.order && offset % shape_.stride == 0);
  link_of(object) = slab.low_used;
  slab.low_used = static_cast<uint16_t>(offset / shape_.stride);
  if (slab.high_used == shape_.objects) partial_.push_front(slab);
  if (--slab.high_used != 0) return;
  if (empty_slabs_ < kSpareSlabs) {
    empty_slabs_++;
    return;
  }
  partial_.remove(slab);
  slabs_--;
  free_block(slab);
}

[[gnu::noinline]] bool ObjectCache::refill(Magazine& magazine) {
  sync::SpinGuard guard(lock_);
  while (magazine.count < Magazine::kBatch) {
    Frame* slab = partial_slab();
    if (slab == nullptr) break;
    magazine.objects[magazine.count++] = take_from(*slab);
  }
  return magazine.count != 0;
}

// The oldest objects go; those freed last are warm in the CPU's caches.
[[gnu::noinline]] void ObjectCache::give_back(Magazine& magazine, uint32_t objects) {
  sync::SpinGuard guard(lock_);
  for (uint32_t i = 0; i < objects; i++) return_to_slab(magazine.objects[i]);
  magazine.count -= objects;
  for (uint32_t i = 0; i < magazine.count; i++) magazine.objects[i] = magazine.objects[i + objects];
}

void ObjectCache::drain() {
  if (magazines_ == nullptr) return;
  {
    machine::BriefInterruptGuard guard;
    Magazine& magazine = magazines_[machine::cpu_id()];
    give_back(magazine, magazine.count);
  }
  sync::SpinGuard guard(lock_);
  // At most kSpareSlabs are empty; they may lie anywhere in the ring.
  for (Frame* slab = partial_.first(); empty_slabs_ != 0;) {
    Frame* next = FrameRing::after(*slab);
    if (slab->high_used == 0) {
      partial_.remove(*slab);
      empty_slabs_--;
      slabs_--;
      free_block(*slab);
    }
    slab = next;
  }
}

uint64_t ObjectCache::live_objects() const {
  if (magazines_ == nullptr) return 0;
  int64_t live = 0;
  for (unsigned cpu = 0; cpu < machine::kMaxCpus; cpu++)
    live += __atomic_load_n(&magazines_[cpu].live, __ATOMIC_RELAXED);
  return static_cast<uint64_t>(live);
}

uint64_t ObjectCache::frames() const NO_THREAD_SAFETY_ANALYSIS {
  return (__atomic_load_n(&slabs_, __ATOMIC_RELAXED) << shape_.order) + (magazines_ != nullptr);
}

ObjectCache* ObjectCache::first() { return first_cache.load(std::memory_order_acquire); }

void drain_all_caches() {
  for (ObjectCache* cache = ObjectCache::first(); cache != nullptr; cache = cache->next()) cache->drain();
}

#if TINE_DEBUG

void ObjectCache::mark_new(void* object) const {
  __builtin_memset(object, kFreedByte, size_);
  trailer_of(object, size_) = {kFree, this};
}

void ObjectCache::mark_live(void* object) const {
  Trailer& trailer = trailer_of(object, size_);
  if (trailer.state != kFree) panic("%s %p: overwritten while free", name_, object);
  const auto* bytes = static_cast<const unsigned char*>(object);
  for (size_t i = sizeof(uint16_t); i < size_; i++)
    if (bytes[i] != kFreedByte) panic("%s %p: written at offset %zu after it was freed", name_, object, i);
  __builtin_memset(object, kFreshByte, size_);
  trailer.state = kLive;
}

void ObjectCache::mark_free(void* object) const {
  Trailer& trailer = trailer_of(object, size_);
  if (trailer.state == kFree) panic("%s %p: freed twice", name_, object);
  if (trailer.state != kLive) panic("%s %p: written past its end, or not an object", name_, object);
  if (trailer.cache != this) panic("%p: freed to %s, but from %s", object, name_, trailer.cache->name_);
  __builtin_memset(object, kFreedByte, size_);
  trailer.state = kFree;
}

#else

void ObjectCache::mark_new(void*) const {}
void ObjectCache::mark_live(void*) const {}
void ObjectCache::mark_free(void*) const {}

#endif

}  // namespace tine::mem
