// SPDX-License-Identifier: BSD-2-Clause
// EVFILT_TIMER and EVFILT_USER: knotes of kernel timers, and those that kevent(2) itself triggers.
#include <algorithm>

#include "event/kqueue.h"
#include "event/timerfd.h"
#include "sched/clock.h"
#include "sched/timer.h"

namespace tine::event {

namespace {

// --- Timers ---

constexpr uint32_t kSeconds = 1, kMilliseconds = 2, kMicroseconds = 4, kNanoseconds = 8, kAbsolute = 0x10;

Result<Nanoseconds> period_of(const Kevent& setting) {
  if (setting.data < 0) return Error(Errno::Inval);
  Nanoseconds unit = kMillisecond;
  switch (setting.fflags & ~kAbsolute) {
    case 0:
    case kMilliseconds:
      break;
    case kSeconds:
      unit = kSecond;
      break;
    case kMicroseconds:
      unit = kMicrosecond;
      break;
    case kNanoseconds:
      unit = 1;
      break;
    default:
      return Error(Errno::Inval);
  }
  const auto count = static_cast<Nanoseconds>(setting.data);
  return count > kForever / unit ? kForever : count * unit;
}

// It wakes once, until its event is taken: how often it has expired is worked out then. So a period makes no more
// interrupts than its kqueue is read. A time on the wall clock is kept as one of the uptime clock and moved when the
// wall clock is set.
class TimerNote final : public Knote, public mem::FromCache<TimerNote>, private sched::Waiter {
 public:
  TimerNote() : alarm_(*this) {}

  Result<> attach() override {
    {
      sync::SpinGuard guard(queue->lock);
      setting.flags |= kEventClear;  // an event tells how often it expired since the last
    }
    return start();
  }

  void detach() override {
    wall_clock_settings().remove(*this);  // first: it may arm the timer
    {
      sync::SpinGuard guard(queue->lock);
      next_ = kForever;
    }
    alarm_.cancel();
  }

  Result<> change(const Kevent& change) override {
    if (!(change.flags & kEventAdd)) return {};
    TRY(period_of(change));
    detach();
    TRY(Knote::change(change));
    return start();
  }

  bool take(Kevent& event) override {
    sync::SpinGuard guard(queue->lock);
    const Nanoseconds now = machine::now();
    if (next_ > now) return false;
    event.fflags = setting.fflags;
    if (period_ == kForever) {
      event.data = 1;
      next_ = kForever;
      return true;
    }
    const uint64_t times = 1 + (now - next_) / period_;
    event.data = static_cast<int64_t>(std::min<uint64_t>(times, INT64_MAX));
    next_ += times * period_;
    alarm_.arm(std::max(next_, now + sched::kLeastTimerDelay));
    return true;
  }

 private:
  class Alarm final : public sched::Timer {
   public:
    explicit Alarm(TimerNote& note)
        : Timer([](Timer& timer) { static_cast<Alarm&>(timer).note_.expired(); }), note_(note) {}

   private:
    TimerNote& note_;
  };

  Result<> start() {
    const Nanoseconds time = TRY(period_of(setting));
    const bool absolute = setting.fflags & kAbsolute;  // a time on the wall clock, once
    if (absolute) wall_clock_settings().add(*this);
    sync::SpinGuard guard(queue->lock);
    wall_time_ = absolute ? time : 0;
    if (absolute) {
      period_ = kForever;
      next_ = uptime_of(time);
    } else {
      period_ = setting.flags & kEventOneShot ? kForever : std::max(time, kMicrosecond);
      const Nanoseconds now = machine::now();
      next_ = time < kForever - now ? now + time : kForever;
    }
    if (next_ != kForever) alarm_.arm(next_);
    return {};
  }

  static Nanoseconds uptime_of(Nanoseconds wall_time) {
    const Nanoseconds offset = sched::wall_clock_offset();
    return wall_time > offset ? wall_time - offset : 1;
  }

  // The wall clock has been set.
  bool on_wake(uint32_t) override {
    sync::SpinGuard guard(queue->lock);
    if (next_ == kForever || next_ <= machine::now()) return false;  // over, or about to be told
    next_ = uptime_of(wall_time_);
    alarm_.arm(next_);
    return false;
  }

  void expired() {
    Kqueue& home = *queue;
    {
      sync::SpinGuard guard(home.lock);
      if (next_ == kForever) return;  // being detached
      if (const Nanoseconds now = machine::now(); next_ > now) return alarm_.arm(next_);
      home.enqueue(*this);
    }
    home.announce();
  }

  // Kqueue::lock
  Nanoseconds period_ = kForever;   // kForever: once
  Nanoseconds next_ = kForever;     // uptime of the first expiry not yet taken; kForever: none
  Nanoseconds wall_time_ = 0;
  Alarm alarm_;
};

// --- User events ---

constexpr uint32_t kTrigger = 0x01000000, kFlagsMask = 0x00ffffff, kControlMask = 0xc0000000,
                   kAnd = 0x40000000, kOr = 0x80000000, kCopy = 0xc0000000;

class UserNote final : public Knote, public mem::FromCache<UserNote> {
 public:
  Result<> attach() override {
    const Kevent first = setting;
    {
      sync::SpinGuard guard(queue->lock);
      setting.fflags &= kFlagsMask;
      triggered_ = first.fflags & kTrigger;
    }
    if (ready()) activate();
    return {};
  }
  void detach() override {}
  bool ready() override {
    sync::SpinGuard guard(queue->lock);
    return triggered_;
  }

  Result<> change(const Kevent& change) override {
    sync::SpinGuard guard(queue->lock);
    const uint32_t flags = change.fflags & kFlagsMask;
    switch (change.fflags & kControlMask) {
      case kAnd:
        setting.fflags &= flags;
        break;
      case kOr:
        setting.fflags |= flags;
        break;
      case kCopy:
        setting.fflags = flags;
        break;
      default:
        break;
    }
    setting.data = change.data;
    if (change.fflags & kTrigger) triggered_ = true;
    // The flag in a change takes back a trigger that nobody has collected, this one too.
    if (change.flags & kEventClear) {
      triggered_ = false;
      setting.data = 0;
    }
    return {};
  }

  bool take(Kevent& event) override {
    sync::SpinGuard guard(queue->lock);
    if (!triggered_) return false;
    event.fflags = setting.fflags;
    event.data = setting.data;
    if (setting.flags & kEventClear) {
      triggered_ = false;
      setting.fflags = 0;
      setting.data = 0;
    }
    return true;
  }

 private:
  bool triggered_ = false;  // Kqueue::lock
};

}  // namespace

Result<Ref<Knote>> make_timer_note() { return Ref<Knote>(TRY(mem::make_ref<TimerNote>())); }
Result<Ref<Knote>> make_user_note() { return Ref<Knote>(TRY(mem::make_ref<UserNote>())); }

}  // namespace tine::event
