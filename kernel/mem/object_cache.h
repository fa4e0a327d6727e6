// SPDX-License-Identifier: BSD-2-Clause
// Typed object caches: fixed-size objects out of slabs, with a small magazine per CPU in front, so that the common
// allocation takes no lock. Source: Bonwick and Adams, "Magazines and Vmem" (USENIX 2001).
// Lock: each cache's own spinlock, taken before the frame allocator's.
//
//   class Pipe : public mem::FromCache<Pipe> { ... };     // new (mem::nothrow) through the type's cache
//   Pipe* pipe = TRY(mem::make<Pipe>(arguments...));       // NoMem when the cache or the fault injector says so
//   Ref<File> file = TRY(mem::make_ref<File>(...));
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>
#include <string_view>
#include <utility>

#include "base/ref.h"
#include "base/result.h"

namespace tine::mem {

class ObjectCache {
 public:
  // `name` for statistics and the audit; `size` and `alignment` in bytes, at most 8 KiB.
  constexpr ObjectCache(const char* name, size_t size, size_t alignment)
      : name_(name), size_(size), alignment_(alignment) {}

  void* allocate();          // uninitialised memory or nullptr; any context
  void free(void* object);

  const char* name() const { return name_; }
  size_t object_size() const { return size_; }
  uint64_t live_objects() const;   // exact when nothing runs
  void drain();                    // magazines and empty slabs back to the frame allocator

  // All caches that have ever allocated, for statistics; newest first.
  static ObjectCache* first();
  ObjectCache* next() const { return next_; }

 private:
  friend struct ObjectCacheState;
  const char* name_;
  size_t size_;
  size_t alignment_;
  ObjectCache* next_ = nullptr;
  struct ObjectCacheState* state_ = nullptr;   // magazines and slabs, made at first use
};

// The name that statistics show: the type's own, taken from the compiler's signature.
template <class T>
constexpr const char* type_name();

// Base of every dynamically allocated kernel type.
template <class T>
class FromCache {
 public:
  static void* operator new(size_t, const std::nothrow_t&) noexcept { return cache().allocate(); }
  static void* operator new(size_t, void* place) noexcept { return place; }
  static void operator delete(void* object) { cache().free(object); }
  static void operator delete(void* object, const std::nothrow_t&) { cache().free(object); }
  static ObjectCache& cache();
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

void drain_all_caches();

}  // namespace tine::mem
