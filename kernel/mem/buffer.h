// SPDX-License-Identifier: BSD-2-Clause
// Buffer: memory of a size known at run time (names, argument vectors, tables), up to 4 MiB; from size-class caches
// or whole blocks of frames. Move-only; frees itself.
#pragma once

#include <cstddef>
#include <span>
#include <type_traits>
#include <utility>

#include "base/result.h"

namespace tine::mem {

void* allocate_bytes(size_t size);          // uninitialised, 16-byte aligned; nullptr when out of memory
void free_bytes(void* memory, size_t size); // with the size that was asked for

template <class T>
  requires std::is_trivially_copyable_v<T>
class Buffer {
 public:
  Buffer() = default;
  static Result<Buffer> make(size_t count) {   // uninitialised elements
    if (count > (size_t{4} << 20) / sizeof(T)) return Error(Errno::NoMem);
    Buffer buffer;
    if (count == 0) return buffer;
    buffer.data_ = static_cast<T*>(allocate_bytes(count * sizeof(T)));
    if (buffer.data_ == nullptr) return Error(Errno::NoMem);
    buffer.size_ = count;
    return buffer;
  }
  static Result<Buffer> make_zeroed(size_t count) {
    Buffer buffer = TRY(make(count));
    __builtin_memset(static_cast<void*>(buffer.data_), 0, count * sizeof(T));
    return buffer;
  }
  Buffer(Buffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  Buffer& operator=(Buffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~Buffer() {
    if (data_ != nullptr) free_bytes(data_, size_ * sizeof(T));
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](size_t i) { return data_[i]; }
  const T& operator[](size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  T* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace tine::mem
