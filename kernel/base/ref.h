// SPDX-License-Identifier: BSD-2-Clause
// Shared ownership: Ref<T> (boost::intrusive_ptr) of a T that derives from RefCounted<T>. The last Ref deletes the
// object through T's own operator delete, so that it goes back to its cache.
#pragma once

#include <atomic>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstdint>

#include "base/assert.h"

namespace tine {

template <class T>
using Ref = boost::intrusive_ptr<T>;

template <class T>
class RefCounted {
 public:
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  // A snapshot; exact only while nobody else can take or drop a reference.
  uint32_t ref_count() const { return refs_.load(std::memory_order_acquire); }

  // Takes a reference unless the last one is already gone: for lookups in tables that hold no reference.
  bool try_ref() const {
    uint32_t count = refs_.load(std::memory_order_relaxed);
    while (count != 0)
      if (refs_.compare_exchange_weak(count, count + 1, std::memory_order_acquire)) return true;
    return false;
  }

 protected:
  RefCounted() = default;
  ~RefCounted() = default;

 private:
  friend void intrusive_ptr_add_ref(const T* object) {
    object->RefCounted<T>::refs_.fetch_add(1, std::memory_order_relaxed);
  }
  friend void intrusive_ptr_release(const T* object) {
    const uint32_t before = object->RefCounted<T>::refs_.fetch_sub(1, std::memory_order_acq_rel);
    DEBUG_ASSERT(before != 0);
    if (before != 1) return;
    // A type that others point to without a reference (file::File) tells them while the object is still whole.
    if constexpr (requires(T& whole) { whole.last_reference_dropped(); })
      const_cast<T*>(object)->last_reference_dropped();
    delete object;
  }

  mutable std::atomic<uint32_t> refs_{0};
};

}  // namespace tine
