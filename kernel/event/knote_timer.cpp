// SPDX-License-Identifier: BSD-2-Clause
// EVFILT_TIMER and EVFILT_USER: knotes of kernel timers, and those that kevent(2) itself triggers.
#include "event/kqueue.h"
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

class TimerNote final : public Knote, public mem::FromCache<TimerNote> {
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
    {
      sync::SpinGuard guard(queue->lock);
      period_ = 0;
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
    event.data = expirations_;
    event.fflags = setting.fflags;
    expirations_ = 0;
    return event.data != 0;
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
    sync::SpinGuard guard(queue->lock);
    expirations_ = 0;
    if (setting.fflags & kAbsolute) {  // a time on the wall clock, once
      period_ = kForever;
      const Nanoseconds offset = sched::wall_clock_offset();
      next_ = time > offset ? time - offset : 1;
    } else {
      period_ = setting.flags & kEventOneShot ? kForever : std::max(time, kMicrosecond);
      const Nanoseconds now = machine::now();
      next_ = time < kForever - now ? now + time : kForever;
    }
    if (next_ != kForever) alarm_.arm(next_);
    return {};
  }

  void expired() {
    Kqueue& home = *queue;
    {
      sync::SpinGuard guard(home.lock);
      if (period_ == 0) return;  // being detached
      expirations_++;
      if (period_ != kForever) {
        const Nanoseconds now = machine::now();
        if (now >= next_ + period_) {  // late by whole periods
          const Nanoseconds missed = (now - next_) / period_;
          expirations_ += static_cast<int64_t>(missed);
          next_ += missed * period_;
        }
        next_ += period_;
        alarm_.arm(std::max(next_, now + sched::kLeastTimerDelay));
      }
      home.enqueue(*this);
    }
    home.announce();
  }

  // Kqueue::lock
  Nanoseconds period_ = 0;  // 0: stopped; kForever: once
  Nanoseconds next_ = 0;
  int64_t expirations_ = 0;
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
