// SPDX-License-Identifier: BSD-2-Clause
// timerfd: setting, reading, readiness.
#include "event/timerfd.h"

#include "base/late.h"

namespace tine::event {

using namespace file;

namespace {

Nanoseconds after(Nanoseconds time, Nanoseconds duration) {
  return duration < kForever - time ? time + duration : kForever;
}

constinit Late<sched::WaitQueue> clock_settings;

}  // namespace

TimerFile::TimerFile(Clock clock, uint32_t flags) : File(flags, Path()), clock(clock), timer_(*this) {
  if (clock == Clock::Wall) clock_settings->add(*this);
}

TimerFile::~TimerFile() {
  clock_settings->remove(*this);  // first: it may arm the timer
  timer_.cancel();
}

void TimerFile::Alarm::expired(Timer& timer) {
  static_cast<Alarm&>(timer).file_.expired_.wake(kPollIn | kPollRdNorm);
}

TimerFile::Setting TimerFile::remaining(Nanoseconds now) const {
  if (next_ == 0) return {.interval = interval_, .value = 0};
  if (next_ > now) return {.interval = interval_, .value = next_ - now};
  if (interval_ == 0) return {.interval = 0, .value = 0};
  return {.interval = interval_, .value = interval_ - (now - next_) % interval_};
}

void TimerFile::arm() {
  if (next_ != 0 && next_ != kForever) timer_.arm(next_);
}

// The alarm is armed under the lock, so that two settings at once leave the timer and the fields agreeing. It
// must not be cancelled there: cancel() waits for the callback.
TimerFile::Setting TimerFile::set_next(Nanoseconds next, Nanoseconds interval) {
  const Setting before = remaining(machine::now());
  next_ = next;
  interval_ = interval;
  canceled_ = false;
  arm();
  return before;
}

TimerFile::Setting TimerFile::set_relative(Setting setting) {
  sync::SpinGuard guard(lock_);
  on_wall_clock_ = cancels_ = false;
  return set_next(setting.value == 0 ? 0 : after(machine::now(), setting.value), setting.interval);
}

TimerFile::Setting TimerFile::set_absolute(Setting setting, OnClockSet on_clock_set) {
  sync::SpinGuard guard(lock_);
  on_wall_clock_ = clock == Clock::Wall && setting.value != 0;
  cancels_ = on_wall_clock_ && on_clock_set == OnClockSet::Cancel;
  offset_ = on_wall_clock_ ? sched::wall_clock_offset() : 0;
  return set_next(setting.value == 0 ? 0 : to_uptime(setting.value), setting.interval);
}

// What is past already is at 1: 0 would mean disarmed.
Nanoseconds TimerFile::to_uptime(Nanoseconds time) const {
  if (time == kForever) return kForever;
  return time > offset_ ? time - offset_ : 1;
}

bool TimerFile::on_wake(uint32_t) {
  {
    sync::SpinGuard guard(lock_);
    if (!on_wall_clock_) return false;
    const Nanoseconds time = after(next_, offset_);
    offset_ = sched::wall_clock_offset();
    if (next_ > machine::now()) next_ = to_uptime(time);  // what has expired stays so
    canceled_ = cancels_;
    arm();
  }
  expired_.wake(kPollIn | kPollRdNorm);
  return false;
}

TimerFile::Setting TimerFile::get() {
  sync::SpinGuard guard(lock_);
  return remaining(machine::now());
}

Result<uint64_t> TimerFile::take() {
  sync::SpinGuard guard(lock_);
  if (canceled_) {
    canceled_ = false;
    return Error(Errno::Canceled);
  }
  const Nanoseconds now = machine::now();
  if (next_ == 0 || now < next_) return Error(Errno::Again);
  if (interval_ == 0) {
    next_ = 0;
    return 1;
  }
  const Nanoseconds last = now - (now - next_) % interval_;
  const uint64_t expirations = 1 + (last - next_) / interval_;
  next_ = after(last, interval_);
  arm();
  return expirations;
}

Result<size_t> TimerFile::read(IoBuffer& into, uint64_t*) {
  if (into.remaining() < sizeof(uint64_t)) return Error(Errno::Inval);
  while (true) {
    const auto expirations = take();
    if (expirations) return into.put(&*expirations, sizeof *expirations);
    if (expirations.error() != Errno::Again || non_blocking()) return Error(expirations.error());
    TRY(sched::wait_until(expired_, {.name = "timerfd"}, [this] { return expired(); }));
  }
}

PollEvents TimerFile::poll(Poller* poller) {
  if (poller != nullptr) poller->watch(expired_);
  return expired() ? kPollIn | kPollRdNorm : 0;
}

sched::WaitQueue& wall_clock_settings() { return *clock_settings; }
void wall_clock_was_set() { clock_settings->wake_all(); }

void init_timer_files() { clock_settings.construct("clock settings"); }

}  // namespace tine::event
