// SPDX-License-Identifier: BSD-2-Clause
// setitimer(2), alarm(2), timer_create(2) and their like.
#include "abi/linux/clock_id.h"
#include "abi/linux/time.h"
#include "abi/linux/timespec.h"

namespace tine::abi::linux_abi {

using process::IntervalTimer;
using process::IntervalTimers;
using process::TimerClock;
using process::TimerEvent;
using process::TimerSetting;

namespace {

struct UserIntervalTimer {  // struct itimerval
  TimeVal interval, value;
};
struct UserTimerSetting {  // struct itimerspec
  TimeSpec interval, value;
};
struct UserTimerEvent {  // struct sigevent
  uint64_t value;
  int32_t signal;
  int32_t notify;
  int32_t thread;
  int32_t padding[11];
};
static_assert(sizeof(UserTimerEvent) == 64);

// Rounds up, so that a running timer never looks disarmed.
UserIntervalTimer to_user(TimerSetting setting) {
  const auto microseconds = [](Nanoseconds time) {
    return to_timeval(time > kForever - kMicrosecond ? time : time + kMicrosecond - 1);
  };
  return {microseconds(setting.interval), microseconds(setting.value)};
}

Result<Ref<IntervalTimers>> timers_of(const Call& call) { return IntervalTimers::of(call.process()); }

Result<IntervalTimer> which_timer(const Call& call) {
  if (call.as_unsigned(0) > static_cast<unsigned>(IntervalTimer::Profile)) return Error(Errno::Inval);
  return static_cast<IntervalTimer>(call.args[0]);
}

Result<TimerEvent> load_event(const Call& call) {
  enum : int32_t { kSignal = 0, kNone = 1, kThread = 2, kThreadId = 4 };
  TimerEvent event;
  const auto from = call.pointer<const UserTimerEvent>(1);
  if (!from) {
    event.value_is_id = true;
    return event;
  }
  const UserTimerEvent given = TRY(from.load());
  event.signal = given.signal;
  event.value = given.value;
  switch (given.notify) {
    case kNone:
      event.kind = TimerEvent::Kind::None;
      return event;
    case kSignal:
    case kThread:  // starting a thread is the C library's affair
      event.kind = TimerEvent::Kind::Process;
      break;
    case kThreadId:
      event.kind = TimerEvent::Kind::Thread;
      event.thread = process::find_thread(given.thread);
      if (event.thread == nullptr || &event.thread->process() != &call.process()) return Error(Errno::Inval);
      break;
    default:
      return Error(Errno::Inval);
  }
  if (!process::is_signal(event.signal)) return Error(Errno::Inval);
  return event;
}

}  // namespace

CallResult sys_getitimer(const Call& call) {
  const IntervalTimer which = TRY(which_timer(call));
  TRY(call.pointer<UserIntervalTimer>(1).store(to_user(TRY(timers_of(call))->get(which))));
  return 0;
}

CallResult sys_setitimer(const Call& call) {
  const IntervalTimer which = TRY(which_timer(call));
  TimerSetting setting;
  if (call.args[1] != 0) {
    const UserIntervalTimer given = TRY(call.pointer<const UserIntervalTimer>(1).load());
    setting.value = TRY(to_nanoseconds(given.value));
    setting.interval = TRY(to_nanoseconds(given.interval));
  }
  const TimerSetting old = TRY(timers_of(call))->set(which, setting);
  if (call.args[2] != 0) TRY(call.pointer<UserIntervalTimer>(2).store(to_user(old)));
  return 0;
}

// The seconds that were left, rounded to the nearest but never down to 0.
CallResult sys_alarm(const Call& call) {
  const TimerSetting old = TRY(timers_of(call))->set(IntervalTimer::Real, {call.as_unsigned(0) * kSecond, 0});
  if (old.value == 0) return 0;
  const uint64_t seconds = (old.value + kSecond / 2) / kSecond;
  return seconds == 0 ? 1 : seconds;
}

CallResult sys_timer_create(const Call& call) {
  const int clock_id = call.as_int(0);
  if (clock_id == kClockMonotonicRaw || clock_id == kClockRealtimeCoarse || clock_id == kClockMonotonicCoarse)
    return Error(Errno::OpNotSupp);
  ClockReference clock = TRY(find_clock(call.thread, clock_id));
  if (clock.process != nullptr && clock.process != &call.process()) return Error(Errno::OpNotSupp);
  TimerEvent event = TRY(load_event(call));
  const Ref<IntervalTimers> timers = TRY(timers_of(call));
  const int id = TRY(timers->create(clock.clock, std::move(clock.thread), std::move(event)));
  if (const Result<> stored = call.pointer<int32_t>(2).store(id); !stored) {
    (void)timers->destroy(id);
    return Error(stored.error());
  }
  return 0;
}

CallResult sys_timer_settime(const Call& call) {
  constexpr int kAbsolute = 1;
  const UserTimerSetting given = TRY(call.pointer<const UserTimerSetting>(2).load());
  const TimerSetting setting{TRY(to_nanoseconds(given.value)), TRY(to_nanoseconds(given.interval))};
  const TimerSetting old =
      TRY(TRY(timers_of(call))->set(call.as_int(0), setting, call.as_int(1) & kAbsolute));
  if (call.args[3] != 0)
    TRY(call.pointer<UserTimerSetting>(3).store({to_timespec(old.interval), to_timespec(old.value)}));
  return 0;
}

CallResult sys_timer_gettime(const Call& call) {
  const TimerSetting now = TRY(TRY(timers_of(call))->get(call.as_int(0)));
  TRY(call.pointer<UserTimerSetting>(1).store({to_timespec(now.interval), to_timespec(now.value)}));
  return 0;
}

CallResult sys_timer_getoverrun(const Call& call) {
  return static_cast<uint64_t>(TRY(TRY(timers_of(call))->overrun(call.as_int(0))));
}

CallResult sys_timer_delete(const Call& call) {
  TRY(TRY(timers_of(call))->destroy(call.as_int(0)));
  return 0;
}

}  // namespace tine::abi::linux_abi
