// SPDX-License-Identifier: BSD-2-Clause
// PidSpace: which process id comes next, and when one that was freed may come again. Knows numbers only; who uses one is
// process/ids.cpp's. Not locked; also compiled on the host. Source: FreeBSD's and OpenBSD's kern_fork.c; randompid in
// FreeBSD's sysctl(8). Seed rows P1-P9, P11, R11.
#pragma once

#include <array>
#include <utility>

#include "base/id_space.h"
#include "base/random.h"

namespace tine::process {

enum class PidMode : uint8_t { Random, Sequential };

// A free number, uniformly among all: a few tries that hit at once unless the space is nearly full, then an exact choice.
template <class Ids>
uint32_t random_free(const Ids& ids) {
  for (int tries = 0; tries < 4; ++tries) {
    const uint32_t number = ids.first() + static_cast<uint32_t>(random_below(ids.last() - ids.first() + 1));
    if (!ids.is_taken(number)) return number;
  }
  return ids.select_free(static_cast<uint32_t>(random_below(ids.free_count())));
}

template <class Ids = IdSpace>
class PidSpace {
 public:
  // How many others are freed before a freed number is free again: never fewer than the least (P7), and more as long as at
  // least as many numbers are free as wait. Programs written for ids that count up, such as bash, keep old ids for long.
  static constexpr uint32_t kLeastQuarantine = 128, kMostQuarantine = 16'384;
  static constexpr uint32_t kAfterWrap = 100;    // low numbers tend to belong to daemons that stay
  static constexpr uint32_t kLeastHigh = 10;

  constexpr PidSpace() = default;
  explicit PidSpace(Ids ids) : ids_(ids) {}
  void init(Ids ids) { ids_ = ids; }   // in place: this is too large for a kernel stack

  PidMode mode = PidMode::Random;
  uint32_t last_used() const { return last_; }   // kern.lastpid
  uint32_t last() const { return ids_.last(); }

  // kern.randompid: up to how far a step leads in sequential mode; 0: to the next. Clamped (P4).
  uint32_t random_step() const { return random_step_; }
  void set_random_step(int64_t step) {
    const int64_t most = int64_t{ids_.last()} - 100;
    if (step < 0 || step > most) step = most;
    else if (step < 2) step = 0;
    else if (step < 100) step = 100;
    random_step_ = static_cast<uint32_t>(step);
  }

  // The number to take next; 0: none is free.
  uint32_t choose() const {
    if (last_ == 0) return 1;   // P1
    if (ids_.free_count() == 0) return 0;
    return mode == PidMode::Random ? random_free(ids_) : choose_in_order();
  }
  // The same beside the order, for who calls no use() (R11).
  uint32_t choose_high() const { return next_or_wrap(std::max(kLeastHigh, last_ + 1)); }

  // A number is taken while a process is made; then it is used and, later, released, or given back as if nothing had been.
  void take(uint32_t number) {
    ids_.take(number);
    shorten_quarantine();
  }
  // A certain number, which nobody has: it is free or in quarantine.
  void take_exactly(uint32_t number) {
    if (!ids_.is_taken(number)) return take(number);
    for (uint32_t i = 0; i < waiting_; ++i) {
      uint32_t& place = quarantine_[(oldest_ + i) % kMostQuarantine];
      if (place != number) continue;
      place = quarantine_[oldest_];
      oldest_ = (oldest_ + 1) % kMostQuarantine;
      --waiting_;
      return;
    }
  }
  void use(uint32_t number) { last_ = number; }
  void give_back(uint32_t number) { ids_.put_back(number); }
  void release(uint32_t number) {
    quarantine_[(oldest_ + waiting_++) % kMostQuarantine] = number;
    if (waiting_ == kMostQuarantine) free_oldest();
    shorten_quarantine();
  }

  const Ids& ids() const { return ids_; }

 private:
  // As in FreeBSD the largest number of all is where the order starts again, and not given out before (P3).
  uint32_t choose_in_order() const {
    uint32_t from = last_ + 1;
    if (random_step_ != 0) from += static_cast<uint32_t>(random_below(random_step_));
    if (from >= ids_.last()) {
      from %= ids_.last();
      if (from < kAfterWrap) from += kAfterWrap;
    }
    return next_or_wrap(from);
  }
  // Numbers below kAfterWrap, and the largest, come only when all others are taken (P8).
  uint32_t next_or_wrap(uint32_t from) const {
    if (const auto number = ids_.next_free(from); number && *number < ids_.last()) return *number;
    if (const auto number = ids_.next_free(kAfterWrap); number && *number < ids_.last()) return *number;
    return ids_.next_free(2).value_or(0);
  }

  // A step at most for each number that is taken or released.
  void shorten_quarantine() {
    while (waiting_ > kLeastQuarantine && waiting_ > ids_.free_count()) free_oldest();
  }
  void free_oldest() {
    ids_.put_back(quarantine_[oldest_]);
    oldest_ = (oldest_ + 1) % kMostQuarantine;
    --waiting_;
  }

  Ids ids_;   // those in quarantine count as taken
  std::array<uint32_t, kMostQuarantine> quarantine_{};   // a ring
  uint32_t oldest_ = 0, waiting_ = 0;
  uint32_t last_ = 0;
  uint32_t random_step_ = 0;
};

}  // namespace tine::process
