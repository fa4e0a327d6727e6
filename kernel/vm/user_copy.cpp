// SPDX-License-Identifier: BSD-2-Clause
// Large copies to and from user memory, in pieces between which others may run.
#include <algorithm>

#include "sched/scheduler.h"
#include "vm/user_ptr.h"

namespace tine::vm {
namespace {

// move(offset, size) for each piece of [0, size).
template <class Move>
Result<> in_pieces(size_t size, Move&& move) {
  for (size_t done = 0; done < size;) {
    const size_t piece = std::min(size - done, kCopyPiece);
    TRY(move(done, piece));
    done += piece;
    TRY(sched::step());
  }
  return {};
}

}  // namespace

Result<> copy_in_pieces(void* to, uintptr_t from, size_t size) {
  if (!is_user_range(from, size)) return Error(Errno::Fault);
  return in_pieces(size, [&](size_t at, size_t piece) { return copy_in(static_cast<std::byte*>(to) + at, from + at, piece); });
}

Result<> copy_out_pieces(uintptr_t to, const void* from, size_t size) {
  if (!is_user_range(to, size)) return Error(Errno::Fault);
  return in_pieces(size, [&](size_t at, size_t piece) {
    return copy_out(to + at, static_cast<const std::byte*>(from) + at, piece);
  });
}

Result<> clear_in_pieces(uintptr_t to, size_t size) {
  if (!is_user_range(to, size)) return Error(Errno::Fault);
  return in_pieces(size, [&](size_t at, size_t piece) { return clear(to + at, piece); });
}

}  // namespace tine::vm
