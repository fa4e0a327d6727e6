// SPDX-License-Identifier: BSD-2-Clause
// Buddy: the allocator of blocks of 2^order frames under the per-CPU caches of frame.cpp. Source: Knowlton 1965; TAOCP
// vol. 1, section 2.5.
//
// It never walks memory to learn about it. Ranges are *announced* and opened one block of 4 MiB at a time, when the
// lists are empty. And inside a free block only the record of its first frame means anything: splitting writes the
// record of each half before anybody looks at it. So neither boot nor opening costs anything per frame. Only a 4 MiB
// block with a range's edge inside ("ragged") has all its records written, since merging looks at neighbours there.
//
// Compiles on the host. No lock: the caller serialises.
#pragma once

#include <array>
#include <bitset>
#include <cstdint>

#include "mem/frame.h"
#include "mem/frame_ring.h"

namespace tine::mem {

using FrameNumber = uint64_t;

class Buddy {
 public:
  static constexpr unsigned kMaxOrder = 10;
  static constexpr FrameNumber kBlockFrames = FrameNumber{1} << kMaxOrder;
  static constexpr FrameNumber kMaxFrames = FrameNumber{1} << (37 - machine::kPageShift);  // 128 GiB
  static_assert(kMaxFrames <= machine::kMemoryEnd / machine::kPageSize);
  static constexpr size_t kMaxRanges = 32;

  constexpr Buddy() = default;

  // `records`: one for each frame number up to the highest ever named here, rounded up to a whole block of 4 MiB.
  void init(Frame* records) { records_ = records; }

  // Hands over [start, end), not yet written to. False: too many ranges.
  bool announce(FrameNumber start, FrameNumber end);

  // The first of 2^order free frames, aligned to their size; nullptr: none. The caller writes the record.
  Frame* allocate(unsigned order);
  void free(Frame& first, unsigned order);

  // Frames that are not the allocator's, or not yet: writes their records, and later takes the frames.
  void pin(FrameNumber start, FrameNumber end);
  void take_pinned(FrameNumber start, FrameNumber end);

  uint64_t free_frames() const { return free_frames_; }  // unopened ones included
  uint64_t count_free_frames() const;                    // the same by walking the lists, for the audit

 private:
  struct Range {
    FrameNumber start, end;
  };

  // In Frame::order: the block lies in the list of its order. Nobody else sets this, so merging need not trust what the
  // owners of frames write without the lock.
  static constexpr uint8_t kListed = 0x80;

  FrameNumber number_of(const Frame& frame) const { return static_cast<FrameNumber>(&frame - records_); }
  void push(Frame& first, unsigned order);
  void remove(Frame& first);
  bool open_more();
  void write_ragged_block(FrameNumber inside);
  void free_pieces(FrameNumber start, FrameNumber end);
  static unsigned order_of_piece(FrameNumber start, FrameNumber end);

  Frame* records_ = nullptr;
  std::array<FrameRing, kMaxOrder + 1> lists_{};
  uint32_t listed_orders_ = 0;                // bit n: lists_[n] is not empty
  uint64_t free_frames_ = 0;
  std::array<Range, kMaxRanges> ranges_{};
  size_t range_count_ = 0;
  size_t next_range_ = 0;
  std::bitset<kMaxFrames / kBlockFrames> written_;  // ragged blocks whose records are written
};

}  // namespace tine::mem
