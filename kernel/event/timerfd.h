// SPDX-License-Identifier: BSD-2-Clause
// timerfd_create(2): a timer that is read. How often it has expired is worked out when somebody looks; the
// kernel timer only wakes those who wait, once until the next read. A time on the wall clock is kept as one of the
// uptime clock and moved when the wall clock is set. Locks: the queue of those who hear of settings of the wall clock
// -> its spinlock -> its wait queue's and the timer queue's.
#pragma once

#include "file/file.h"
#include "sched/clock.h"
#include "sched/timer.h"

namespace tine::event {

class TimerFile final : public file::File, public mem::FromCache<TimerFile>, private sched::Waiter {
 public:
  static constexpr char kType = 0;
  enum class Clock : uint8_t { Uptime, Wall };

  struct Setting {
    Nanoseconds interval = 0;  // 0: once
    Nanoseconds value = 0;     // how long until the next expiry; 0: disarmed
  };

  // What a setting of its clock does to an absolute time: moves it, or also makes the next read Canceled.
  enum class OnClockSet : uint8_t { Follow, Cancel };

  TimerFile(Clock clock, uint32_t flags);
  ~TimerFile() override;

  // `value` is a duration. Both return what was set before, with the time that was left.
  Setting set_relative(Setting setting);
  // `value` is a time on the timer's clock, perhaps in the past.
  Setting set_absolute(Setting setting, OnClockSet on_clock_set);
  Setting get();

  Result<size_t> read(file::IoBuffer& into, uint64_t* offset) override;
  file::PollEvents poll(file::Poller* poller) override;
  const char* kind() const override { return "anon_inode:[timerfd]"; }
  const void* type() const override { return &kType; }

  const Clock clock;

 private:
  class Alarm final : public sched::Timer {
   public:
    explicit Alarm(TimerFile& file) : Timer(&expired), file_(file) {}

   private:
    static void expired(Timer& timer);
    TimerFile& file_;
  };

  bool on_wake(uint32_t) override;  // the wall clock has been set

  Setting set_next(Nanoseconds next, Nanoseconds interval) REQUIRES(lock_);
  Nanoseconds to_uptime(Nanoseconds time) const REQUIRES(lock_);
  void arm() REQUIRES(lock_);
  Setting remaining(Nanoseconds now) const REQUIRES(lock_);
  Result<uint64_t> take();  // Again, Canceled
  bool expired() const {
    sync::SpinGuard guard(lock_);
    return canceled_ || (next_ != 0 && machine::now() >= next_);
  }

  mutable sync::Spinlock lock_{"timerfd"};
  Nanoseconds next_ GUARDED_BY(lock_) = 0;  // uptime of the first expiry not yet read; 0: disarmed
  Nanoseconds interval_ GUARDED_BY(lock_) = 0;
  Nanoseconds offset_ GUARDED_BY(lock_) = 0;  // of the clock that next_ was given on, to the uptime clock
  bool on_wall_clock_ GUARDED_BY(lock_) = false;  // next_ was
  bool cancels_ GUARDED_BY(lock_) = false, canceled_ GUARDED_BY(lock_) = false;
  sched::WaitQueue expired_{"timerfd"};
  Alarm timer_;
};

// Whoever waits for a time of the wall clock waits here too: woken after each setting of the clock.
sched::WaitQueue& wall_clock_settings();
void wall_clock_was_set();

// While it lives, a setting of the wall clock wakes the thread, if it waits for a time of that clock.
class ClockWatch {
 public:
  explicit ClockWatch(bool watches) : watches_(watches) {
    if (watches_) wall_clock_settings().add(waiter_);
  }
  ~ClockWatch() {
    if (watches_) wall_clock_settings().remove(waiter_);
  }
  ClockWatch(const ClockWatch&) = delete;
  ClockWatch& operator=(const ClockWatch&) = delete;

 private:
  const bool watches_;
  sched::ThreadWaiter waiter_;
};

void init_timer_files();

}  // namespace tine::event
