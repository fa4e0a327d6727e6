// SPDX-License-Identifier: BSD-2-Clause
// timerfd: setting, reading, readiness.
#include "event/timerfd.h"

#include <algorithm>

namespace tine::event {

using namespace file;

void TimerFile::Alarm::expired(Timer& timer) {
  static_cast<Alarm&>(timer).file_.expired_.wake_all(kPollIn | kPollRdNorm);
}

TimerFile::Setting TimerFile::remaining(Nanoseconds now) const {
  if (next_ == 0) return {.interval = interval_, .value = 0};
  if (next_ > now) return {.interval = interval_, .value = next_ - now};
  if (interval_ == 0) return {.interval = 0, .value = 0};
  return {.interval = interval_, .value = interval_ - (now - next_) % interval_};
}

// The alarm is armed under the lock, so that two settings at once leave the timer and the fields agreeing. It
// must not be cancelled there: cancel() waits for the callback.
TimerFile::Setting TimerFile::set_next(Nanoseconds next, Nanoseconds interval) {
  sync::SpinGuard guard(lock_);
  const Setting before = remaining(machine::now());
  next_ = next;
  interval_ = interval;
  if (next != 0 && next != kForever) timer_.arm(next);
  return before;
}

TimerFile::Setting TimerFile::set_relative(Setting setting) {
  if (setting.value == 0) return set_next(0, setting.interval);
  const Nanoseconds now = machine::now();
  return set_next(setting.value < kForever - now ? now + setting.value : kForever, setting.interval);
}

TimerFile::Setting TimerFile::set_absolute(Setting setting) {
  if (setting.value == 0) return set_next(0, setting.interval);
  Nanoseconds next = setting.value;
  if (clock == Clock::Wall) {
    const Nanoseconds offset = sched::wall_clock_offset();
    next = next > offset ? next - offset : 0;
  }
  return set_next(std::max<Nanoseconds>(next, 1), setting.interval);  // 0 would mean disarmed
}

TimerFile::Setting TimerFile::get() {
  sync::SpinGuard guard(lock_);
  return remaining(machine::now());
}

bool TimerFile::try_take(uint64_t& expirations) {
  sync::SpinGuard guard(lock_);
  const Nanoseconds now = machine::now();
  if (next_ == 0 || now < next_) return false;
  if (interval_ == 0) {
    expirations = 1;
    next_ = 0;
  } else {
    expirations = 1 + (now - next_) / interval_;
    next_ += expirations * interval_;
    timer_.arm(next_);
  }
  return true;
}

Result<size_t> TimerFile::read(IoBuffer& into, uint64_t*) {
  uint64_t expirations = 0;
  if (into.remaining() < sizeof expirations) return Error(Errno::Inval);
  while (!try_take(expirations)) {
    if (non_blocking()) return Error(Errno::Again);
    TRY(sched::wait_until(expired_, {.name = "timerfd"}, [this] { return expired(); }));
  }
  return into.put(&expirations, sizeof expirations);
}

PollEvents TimerFile::poll(Poller* poller) {
  if (poller != nullptr) poller->watch(expired_);
  return expired() ? kPollIn | kPollRdNorm : 0;
}

}  // namespace tine::event
