// SPDX-License-Identifier: BSD-2-Clause
// Typed object caches: fixed-size objects out of slabs, with a small magazine per CPU in front, so that the common
// allocation takes no lock. Source: Bonwick and Adams, "Magazines and Vmem" (USENIX 2001).
// Lock: each cache's own spinlock, taken before the frame allocator's.
//
//   class Pipe : public mem::FromCache<Pipe> { ... };     // new (mem::nothrow) through the type's cache
//   Pipe* pipe = TRY(mem::make<Pipe>(arguments...));       // NoMem when the cache or the fault injector says so
//   Ref<File> file = TRY(mem::make_ref<File>(...));
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <utility>

#include "base/ref.h"
#include "base/result.h"
#include "mem/frame.h"
#include "mem/frame_ring.h"
#include "sync/spinlock.h"

namespace tine::mem {

class ObjectCache {
 public:
  static constexpr size_t kMaxObjectSize = 8192;

  // `name` for statistics and the audit; `size` and `alignment` in bytes.
  constexpr ObjectCache(const char* name, size_t size, size_t alignment)
      : name_(name), size_(size), shape_(shape_of(size, alignment)) {}

  void* allocate();          // uninitialised memory or nullptr; any context
  void free(void* object);

  const char* name() const { return name_; }
  size_t object_size() const { return size_; }
  uint64_t live_objects() const;   // exact when nothing runs
  uint64_t frames() const;         // that its slabs and magazines occupy
  void drain();                    // this CPU's magazine, then all empty slabs; see sched::on_every_cpu

  // All caches that have ever allocated, for statistics; newest first.
  static ObjectCache* first();
  ObjectCache* next() const { return next_; }

 private:
  // How objects lie in a slab, which is a block of frames and holds nothing else. Its bookkeeping is in the block's
  // Frame record: low_used is the index of the first free object, high_used the number of objects in use.
  struct Shape {
    uint32_t stride;
    uint8_t order;
    uint16_t objects;
  };
  static constexpr unsigned kMaxSlabOrder = 3;
#if TINE_DEBUG
  static constexpr size_t kTrailer = 16;  // see object_cache.cpp
#else
  static constexpr size_t kTrailer = 0;
#endif
  static constexpr Shape shape_of(size_t size, size_t alignment);

  struct Magazine;

  bool prepare();
  bool refill(Magazine& magazine);
  void give_back(Magazine& magazine, uint32_t objects);
  Frame* partial_slab() REQUIRES(lock_);
  void* take_from(Frame& slab) REQUIRES(lock_);
  void return_to_slab(void* object) REQUIRES(lock_);
  Frame& slab_of(void* object) const;
  void* object_at(const Frame& slab, size_t index) const;
  void mark_live(void* object) const;
  void mark_free(void* object) const;
  void mark_new(void* object) const;

  const char* const name_;
  const size_t size_;
  const Shape shape_;
  Magazine* magazines_ = nullptr;                  // one per CPU, made at first use
  sync::Spinlock lock_{"object cache"};
  FrameRing partial_ GUARDED_BY(lock_);            // slabs that have free objects
  uint32_t empty_slabs_ GUARDED_BY(lock_) = 0;     // of these, without any object in use
  uint64_t slabs_ GUARDED_BY(lock_) = 0;
  ObjectCache* next_ = nullptr;
};

// The name that statistics show: the type's own, taken from the compiler's signature.
template <class T>
constexpr const char* type_name();

// Base of every dynamically allocated kernel type.
template <class T>
class FromCache {
 public:
  static void* operator new(size_t size, const std::nothrow_t&) noexcept {
    ASSERT(size == sizeof(T));  // a derived class needs a cache of its own
    return cache().allocate();
  }
  static void* operator new(size_t, void* place) noexcept { return place; }
  static void operator delete(void* object) { cache().free(object); }
  static void operator delete(void* object, const std::nothrow_t&) { cache().free(object); }
  static ObjectCache& cache() { return cache_; }

 private:
  static constinit inline ObjectCache cache_{type_name<T>(), sizeof(T), alignof(T)};
};

template <class T, class... Args>
Result<T*> make(Args&&... args) {
  T* object = new (std::nothrow) T(std::forward<Args>(args)...);
  if (object == nullptr) [[unlikely]] return Error(Errno::NoMem);
  return object;
}

template <class T, class... Args>
Result<Ref<T>> make_ref(Args&&... args) {
  return Ref<T>(TRY(make<T>(std::forward<Args>(args)...)));
}

void drain_all_caches();   // drain() of each

// --- Details ---

constexpr ObjectCache::Shape ObjectCache::shape_of(size_t size, size_t alignment) {
  if (size > kMaxObjectSize) __builtin_trap();  // not a constant expression: the compiler refuses it
  if (alignment < 8) alignment = 8;
  const size_t stride = (size + kTrailer + alignment - 1) & ~(alignment - 1);
  // The smallest slab that wastes at most an eighth, and is worth the trip to the frame allocator.
  unsigned order = 0;
  while (order < kMaxSlabOrder) {
    const size_t slab = kPageSize << order;
    if (slab / stride >= 4 && slab % stride <= slab / 8) break;
    order++;
  }
  const size_t objects = (kPageSize << order) / stride;
  return {static_cast<uint32_t>(stride), static_cast<uint8_t>(order), static_cast<uint16_t>(objects)};
}

namespace detail {

// "... type_name_storage() [T = tine::process::Thread]", from which the type is cut out.
template <class T>
consteval auto type_name_storage() {
  constexpr std::string_view signature = __PRETTY_FUNCTION__;
  constexpr size_t start = signature.find("T = ") + 4;
  constexpr size_t end = signature.rfind(']');
  std::array<char, end - start + 1> name{};
  for (size_t i = start; i < end; i++) name[i - start] = signature[i];
  return name;
}

template <class T>
inline constexpr auto type_name_of = type_name_storage<T>();

}  // namespace detail

template <class T>
constexpr const char* type_name() { return detail::type_name_of<T>.data(); }

}  // namespace tine::mem
