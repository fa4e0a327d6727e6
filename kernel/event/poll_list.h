// SPDX-License-Identifier: BSD-2-Clause
// PollList: the descriptors that one poll(2) or select(2) asks about, as many as a process can have open, so in pieces.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <span>

#include "base/result.h"
#include "mem/object_cache.h"

namespace tine::event {

// One descriptor and what is asked about it: Linux's struct pollfd.
struct PollFd {
  int32_t descriptor = -1;  // negative: skipped
  int16_t events = 0;
  int16_t returned = 0;  // also kPollErr, kPollHup and kPollNval, unasked
};
static_assert(sizeof(PollFd) == 8);

class PollList {
 public:
  PollList() = default;
  PollList(const PollList&) = delete;
  PollList& operator=(const PollList&) = delete;
  ~PollList() {
    pieces_.clear_and_dispose([](Piece* piece) { delete piece; });
  }

  // Room for up to `most` more, in one piece, which the caller fills; empty ones come from nowhere else. Errors: NoMem.
  Result<std::span<PollFd>> extend(size_t most) {
    Piece* piece = TRY(mem::make<Piece>());
    piece->used = static_cast<uint32_t>(most < Piece::kCapacity ? most : Piece::kCapacity);
    pieces_.push_back(*piece);
    return piece->requests();
  }
  Result<> add(const PollFd& request) {
    if (pieces_.empty() || pieces_.back().used == Piece::kCapacity) TRY(extend(0));
    Piece& last = pieces_.back();
    last.items[last.used++] = request;
    return {};
  }

  // visit(std::span<PollFd>) -> Result<> for each piece, in order, until one fails.
  template <class Visit>
  Result<> for_each_piece(Visit&& visit) {
    for (Piece& piece : pieces_) TRY(visit(piece.requests()));
    return {};
  }

 private:
  struct Piece : boost::intrusive::list_base_hook<>, mem::FromCache<Piece> {
    static constexpr size_t kCapacity = 500;   // not quite a page
    std::span<PollFd> requests() { return {items, used}; }
    uint32_t used = 0;
    PollFd items[kCapacity];
  };
  boost::intrusive::list<Piece, boost::intrusive::constant_time_size<false>> pieces_;
};

}  // namespace tine::event
