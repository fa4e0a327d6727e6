// SPDX-License-Identifier: BSD-2-Clause
// IoBuffer: where a read puts its bytes or a write takes them from: user memory (one range or a vector of them) or
// kernel memory, consumed from the front. Not owned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace tine::file {

struct IoVector {  // struct iovec
  uintptr_t base;
  size_t length;
};

class IoBuffer {
 public:
  static IoBuffer user(uintptr_t address, size_t size);            // a range outside user memory faults when used
  static IoBuffer kernel(std::span<std::byte> memory);
  static IoBuffer kernel(std::span<const std::byte> memory);       // only ever a source
  // `vectors` (kernel memory, already checked for overflow) must outlive the buffer.
  static IoBuffer vector(std::span<const IoVector> vectors);

  size_t remaining() const { return remaining_; }
  size_t consumed() const { return consumed_; }
  void limit(size_t most) {                               // gives up what is beyond
    if (remaining_ > most) remaining_ = most;
  }
  // Move at most `size` bytes and advance. Fault only if nothing at all could be moved; else the short count.
  Result<size_t> put(const void* from, size_t size);      // a read: into the buffer
  Result<size_t> take(void* to, size_t size);             // a write: out of the buffer
  Result<size_t> put_zeroes(size_t size);

 private:
  template <class Move>
  Result<size_t> advance(size_t size, Move&& move);

  bool in_kernel_ = false;
  IoVector current_{};
  std::span<const IoVector> rest_;
  size_t remaining_ = 0;
  size_t consumed_ = 0;
};

}  // namespace tine::file
