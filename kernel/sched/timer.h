// SPDX-License-Identifier: BSD-2-Clause
// Timers: a function called at a time. They lie in an ordered tree per CPU; the CPU's one-shot hardware timer is armed
// for the first. Lock: the per-CPU timer lock; callbacks run in interrupt context without it.
#pragma once

#include <atomic>
#include <boost/intrusive/set.hpp>

#include "base/units.h"

namespace tine::sched {

// Bounds how often one periodic timer can interrupt: whoever arms it counts the expiries that come faster.
inline constexpr Nanoseconds kLeastTimerDelay = 50 * kMicrosecond;

class Timer : public boost::intrusive::set_base_hook<> {
 public:
  using Callback = void (*)(Timer& timer);   // interrupt context: may wake threads, may arm timers, may not sleep
  constexpr explicit Timer(Callback callback) : callback_(callback) {}
  ~Timer() { cancel(); }
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;

  void arm(Nanoseconds deadline);            // uptime; re-arms if armed
  // After it returns the callback neither runs nor will run. Returns whether it had been armed. Not from the callback.
  bool cancel();
  bool armed() const { return armed_.load(std::memory_order_acquire); }
  Nanoseconds deadline() const { return deadline_; }

 private:
  friend class TimerQueue;
  friend bool operator<(const Timer& a, const Timer& b) { return a.deadline_ < b.deadline_; }
  Callback callback_;
  Nanoseconds deadline_ = 0;
  std::atomic<bool> armed_{false};
  std::atomic<uint32_t> cpu_{0};
};

}  // namespace tine::sched
