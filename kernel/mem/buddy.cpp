// SPDX-License-Identifier: BSD-2-Clause
#include "mem/buddy.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"

namespace tine::mem {

bool Buddy::announce(FrameNumber start, FrameNumber end) {
  if (start >= end) return true;
  if (range_count_ == kMaxRanges) return false;
  ranges_[range_count_++] = {start, end};
  free_frames_ += end - start;
  return true;
}

void Buddy::push(Frame& first, unsigned order) {
  first.use = FrameUse::Free;
  first.order = static_cast<uint8_t>(kListed | order);
  first.refs.store(0, std::memory_order_relaxed);
  first.reserved = 0;
  lists_[order].push_front(first);
  listed_orders_ |= 1u << order;
}

void Buddy::remove(Frame& first) {
  first.order &= static_cast<uint8_t>(~kListed);
  FrameRing& list = lists_[first.order];
  list.remove(first);
  if (list.empty()) listed_orders_ &= ~(1u << first.order);
}

Frame* Buddy::allocate(unsigned order) {
  uint32_t fitting;
  while ((fitting = listed_orders_ >> order << order) == 0)
    if (!open_more()) return nullptr;
  unsigned from = static_cast<unsigned>(std::countr_zero(fitting));
  Frame& first = *lists_[from].first();
  remove(first);
  while (from != order) {
    from--;
    push(*(&first + (size_t{1} << from)), from);
  }
  free_frames_ -= uint64_t{1} << order;
  return &first;
}

void Buddy::free(Frame& first, unsigned order) {
  free_frames_ += uint64_t{1} << order;
  FrameNumber number = number_of(first);
  while (order != kMaxOrder) {
    Frame& buddy = records_[number ^ (FrameNumber{1} << order)];
    if (buddy.order != (kListed | order)) break;
    remove(buddy);
    number &= ~(FrameNumber{1} << order);
    order++;
  }
  push(records_[number], order);
}

// The largest aligned block that starts at `start` and ends before `end`.
unsigned Buddy::order_of_piece(FrameNumber start, FrameNumber end) {
  const unsigned aligned = start == 0 ? kMaxOrder : static_cast<unsigned>(std::countr_zero(start));
  const unsigned fits = static_cast<unsigned>(std::bit_width(end - start)) - 1;
  return std::min({aligned, fits, kMaxOrder});
}

// Puts one more block, or the pieces at a range's edge, on the lists. False: everything is open.
bool Buddy::open_more() {
  if (next_range_ == range_count_) return false;
  Range& range = ranges_[next_range_];
  const FrameNumber start = range.start;
  if (order_of_piece(start, range.end) == kMaxOrder) {
    push(records_[start], kMaxOrder);
    range.start += kBlockFrames;
  } else {
    range.start = std::min(range.end, (start | (kBlockFrames - 1)) + 1);
    write_ragged_block(start);
    free_frames_ -= range.start - start;  // free_pieces counts them again
    free_pieces(start, range.start);
  }
  if (range.start == range.end) next_range_++;
  return true;
}

void Buddy::write_ragged_block(FrameNumber inside) {
  const FrameNumber block = inside >> kMaxOrder;
  if (written_[block]) return;
  written_[block] = true;
  std::fill_n(reinterpret_cast<uint64_t*>(&records_[block << kMaxOrder]), kBlockFrames * sizeof(Frame) / 8, 0);
  static_assert(static_cast<uint8_t>(FrameUse::Unusable) == 0);
}

void Buddy::free_pieces(FrameNumber start, FrameNumber end) {
  while (start != end) {
    const unsigned order = order_of_piece(start, end);
    free(records_[start], order);
    start += FrameNumber{1} << order;
  }
}

void Buddy::pin(FrameNumber start, FrameNumber end) {
  for (FrameNumber number = start; number < end; number++) {
    if (number == start || (number & (kBlockFrames - 1)) == 0) write_ragged_block(number);
    Frame& frame = records_[number];
    ASSERT(frame.use == FrameUse::Unusable);
    frame.use = FrameUse::Pinned;
    frame.refs.store(1, std::memory_order_relaxed);
  }
}

void Buddy::take_pinned(FrameNumber start, FrameNumber end) {
  for (FrameNumber number = start; number < end; number++) {
    ASSERT(records_[number].use == FrameUse::Pinned);
    records_[number].use = FrameUse::Unusable;
  }
  free_pieces(start, end);
}

uint64_t Buddy::count_free_frames() const {
  uint64_t frames = 0;
  for (unsigned order = 0; order <= kMaxOrder; order++)
    frames += lists_[order].count() << order;
  for (size_t i = next_range_; i < range_count_; i++) frames += ranges_[i].end - ranges_[i].start;
  return frames;
}

}  // namespace tine::mem
