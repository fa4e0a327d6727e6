// SPDX-License-Identifier: BSD-2-Clause
#include "file/io_buffer.h"

#include <algorithm>
#include <cstring>

#include "base/units.h"
#include "machine/paging.h"
#include "sched/scheduler.h"
#include "vm/user_ptr.h"

namespace tine::file {
namespace {

constexpr std::byte kZeroes[256]{};

// Moves as much of `size` bytes as it can, at most vm::kCopyPiece: all at once, or after a fault page by page, so that the
// count is exact to the page that faults. `move(done, part)` is one attempt.
template <class Move>
size_t move_piece(uintptr_t user, size_t size, Move&& move) {
  if (size == 0 || move(0, size)) return size;
  size_t done = 0;
  while (done < size) {
    const size_t to_page_end = machine::kPageSize - ((user + done) & (machine::kPageSize - 1));
    const size_t part = std::min(size - done, to_page_end);
    if (!move(done, part)) break;
    done += part;
  }
  return done;
}

// The same for any size, with others running in between; a thread that is to end moves no more.
template <class Move>
size_t move_until_fault(uintptr_t user, size_t size, Move&& move) {
  size_t done = 0;
  do {
    const size_t part = std::min(size - done, vm::kCopyPiece);
    const size_t moved = move_piece(user + done, part, [&](size_t at, size_t piece) { return move(done + at, piece); });
    done += moved;
    if (moved < part) break;
  } while (done < size && sched::step());
  return done;
}

}  // namespace

IoBuffer IoBuffer::user(uintptr_t address, size_t size) {
  IoBuffer buffer;
  buffer.current_ = {address, size};
  buffer.remaining_ = size;
  return buffer;
}

IoBuffer IoBuffer::kernel(std::span<std::byte> memory) {
  IoBuffer buffer = user(reinterpret_cast<uintptr_t>(memory.data()), memory.size());
  buffer.in_kernel_ = true;
  return buffer;
}

IoBuffer IoBuffer::kernel(std::span<const std::byte> memory) {
  IoBuffer buffer = user(reinterpret_cast<uintptr_t>(memory.data()), memory.size());
  buffer.in_kernel_ = true;
  return buffer;
}

IoBuffer IoBuffer::vector(std::span<const IoVector> vectors) {
  IoBuffer buffer;
  buffer.rest_ = vectors;
  for (const IoVector& vector : vectors) buffer.remaining_ += vector.length;
  return buffer;
}

template <class Move>
Result<size_t> IoBuffer::advance(size_t size, Move&& move) {
  size = std::min(size, remaining_);
  size_t done = 0;
  while (done < size) {
    while (current_.length == 0) {
      current_ = rest_.front();
      rest_ = rest_.subspan(1);
    }
    const size_t part = std::min(size - done, current_.length);
    const size_t moved = move(current_.base, done, part);
    current_.base += moved;
    current_.length -= moved;
    remaining_ -= moved;
    consumed_ += moved;
    done += moved;
    if (moved < part) break;
  }
  if (done == 0 && size != 0) return Error(Errno::Fault);
  return done;
}

Result<size_t> IoBuffer::put(const void* from, size_t size) {
  const auto* bytes = static_cast<const std::byte*>(from);
  return advance(size, [&](uintptr_t to, size_t done, size_t part) -> size_t {
    if (in_kernel_) {
      std::memcpy(reinterpret_cast<void*>(to), bytes + done, part);
      return part;
    }
    return move_until_fault(to, part, [&](size_t offset, size_t piece) {
      return vm::copy_out(to + offset, bytes + done + offset, piece).has_value();
    });
  });
}

Result<size_t> IoBuffer::take(void* to, size_t size) {
  auto* bytes = static_cast<std::byte*>(to);
  return advance(size, [&](uintptr_t from, size_t done, size_t part) -> size_t {
    if (in_kernel_) {
      std::memcpy(bytes + done, reinterpret_cast<const void*>(from), part);
      return part;
    }
    return move_until_fault(from, part, [&](size_t offset, size_t piece) {
      return vm::copy_in(bytes + done + offset, from + offset, piece).has_value();
    });
  });
}

Result<size_t> IoBuffer::put_zeroes(size_t size) {
  size = std::min(size, remaining_);
  size_t done = 0;
  while (done < size) {
    const size_t part = std::min(size - done, sizeof(kZeroes));
    const Result<size_t> moved = put(kZeroes, part);
    if (!moved) return done != 0 ? Result<size_t>(done) : moved;
    done += *moved;
    if (*moved < part) break;
  }
  return done;
}

}  // namespace tine::file
