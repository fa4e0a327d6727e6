// SPDX-License-Identifier: BSD-2-Clause
// Late<T>: room for a global that the boot order constructs, since the kernel runs no dynamic constructors.
#pragma once

#include <new>
#include <utility>

namespace tine {

template <class T>
class Late {
 public:
  constexpr Late() = default;
  template <class... Args>
  T& construct(Args&&... args) {
    return *new (storage_) T(std::forward<Args>(args)...);
  }
  T& operator*() { return *reinterpret_cast<T*>(storage_); }
  T* operator->() { return reinterpret_cast<T*>(storage_); }

 private:
  alignas(T) unsigned char storage_[sizeof(T)] = {};
};

}  // namespace tine
