// SPDX-License-Identifier: BSD-2-Clause
// ByteRing: a queue of bytes of a fixed capacity (a power of two), addressed by positions that only grow, so that a
// line discipline can name a place in its input and take back what it put last. No lock of its own.
#pragma once

#include <algorithm>
#include <cstring>
#include <span>

#include "base/assert.h"
#include "mem/buffer.h"

namespace tine::view {

class ByteRing {
 public:
  Result<> allocate(size_t capacity) {
    memory_ = TRY(mem::Buffer<char>::make(capacity));
    return {};
  }

  size_t size() const { return head_ - tail_; }
  size_t room() const { return memory_.size() - size(); }
  bool empty() const { return head_ == tail_; }

  size_t head() const { return head_; }   // the position of the next byte to come
  size_t tail() const { return tail_; }   // the position of the oldest byte
  char at(size_t position) const { return memory_[position & (memory_.size() - 1)]; }

  void put(char byte) {
    DEBUG_ASSERT(room() != 0);
    memory_[head_++ & (memory_.size() - 1)] = byte;
  }
  // Takes back what came after `position`.
  void rewind(size_t position) { head_ = position; }
  void drop(size_t count) { tail_ += count; }
  void clear() { tail_ = head_; }

  // The oldest bytes that lie in one piece; drop() what was used.
  std::span<const char> front() const {
    const size_t start = tail_ & (memory_.size() - 1);
    return memory_.span().subspan(start, std::min(size(), memory_.size() - start));
  }

 private:
  mem::Buffer<char> memory_;
  size_t head_ = 0, tail_ = 0;
};

}  // namespace tine::view
