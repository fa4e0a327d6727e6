// SPDX-License-Identifier: BSD-2-Clause
// timerfd_create(2): a timer that is read. How often it has expired is worked out when somebody looks; the
// kernel timer only wakes those who wait, once until the next read. Lock: its spinlock, before its wait
// queue's and the timer queue's.
#pragma once

#include "file/file.h"
#include "sched/clock.h"
#include "sched/timer.h"

namespace tine::event {

class TimerFile final : public file::File, public mem::FromCache<TimerFile> {
 public:
  static constexpr char kType = 0;
  enum class Clock : uint8_t { Uptime, Wall };

  struct Setting {
    Nanoseconds interval = 0;  // 0: once
    Nanoseconds value = 0;     // how long until the next expiry; 0: disarmed
  };

  TimerFile(Clock clock, uint32_t flags) : File(flags, file::Path()), clock(clock), timer_(*this) {}
  ~TimerFile() override { timer_.cancel(); }

  // `value` is a duration. Both return what was set before, with the time that was left.
  Setting set_relative(Setting setting);
  // `value` is a time on the timer's clock, perhaps in the past.
  Setting set_absolute(Setting setting);
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

  Setting set_next(Nanoseconds next, Nanoseconds interval);
  Setting remaining(Nanoseconds now) const REQUIRES(lock_);
  bool try_take(uint64_t& expirations);
  bool expired() const {
    sync::SpinGuard guard(lock_);
    return next_ != 0 && machine::now() >= next_;
  }

  mutable sync::Spinlock lock_{"timerfd"};
  Nanoseconds next_ GUARDED_BY(lock_) = 0;  // uptime of the first expiry not yet read; 0: disarmed
  Nanoseconds interval_ GUARDED_BY(lock_) = 0;
  sched::WaitQueue expired_{"timerfd"};
  Alarm timer_;
};

}  // namespace tine::event
