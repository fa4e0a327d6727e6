// SPDX-License-Identifier: BSD-2-Clause
// nanosleep(2), clock_nanosleep(2). A relative sleep that a stop interrupts goes on through
// restart_syscall(2) until its first deadline; one that a handler interrupts tells what is left.
#include <algorithm>

#include "abi/linux/clock_id.h"
#include "abi/linux/time.h"
#include "abi/linux/timespec.h"
#include "event/timerfd.h"

namespace tine::abi::linux_abi {

using process::Process;
using process::Thread;
using process::TimerClock;

namespace {

constexpr Nanoseconds kLeastCpuWait = kMillisecond;

// Sleeps until uptime `deadline`. RestartSys: a signal came first.
Result<> sleep_until(Nanoseconds deadline) {
  sched::WaitQueue& any = process::current().signal_wait;
  const Result<> waited =
      sched::wait_until(any, {"nanosleep", sched::Sleep::Interruptible, deadline}, [] { return false; });
  return waited.error() == Errno::TimedOut ? Result<>() : waited;
}

// Sleeps until the wall clock shows `time`, however it is set meanwhile.
Result<> sleep_until_wall_clock(Nanoseconds time) {
  while (true) {
    const Nanoseconds offset = sched::wall_clock_offset();
    const Nanoseconds deadline = time > offset ? time - offset : 0;
    const Result<> waited =
        sched::wait_until(event::wall_clock_settings(), {"nanosleep", sched::Sleep::Interruptible, deadline},
                          [offset] { return sched::wall_clock_offset() != offset; });
    if (waited) continue;
    return waited.error() == Errno::TimedOut ? Result<>() : waited;
  }
}

// Sleeps until `clock` shows `time`. CPU clocks stand still at times, so that they are looked at again after each sleep.
Result<> sleep_until_on(const ClockReference& clock, const Process& caller, Nanoseconds time) {
  if (clock.clock == TimerClock::Uptime) return sleep_until(time);
  if (clock.clock == TimerClock::Wall) return sleep_until_wall_clock(time);
  while (true) {
    const Nanoseconds now = clock.read(caller);
    if (now >= time) return {};
    const Nanoseconds wait = std::max((time - now) / machine::cpu_count(), kLeastCpuWait);
    TRY(sleep_until(deadline_after(wait)));
  }
}

// restart.data: the deadline, the address for what is left, the clock's id.
CallResult sleep_relative(Thread& thread);

CallResult interrupted(Thread& thread, Nanoseconds left) {
  if (const vm::UserPtr<TimeSpec> into(thread.restart.data[1]); into) TRY(into.store(to_timespec(left)));
  thread.restart.function = &sleep_relative;
  return Error(Errno::RestartBlock);
}

CallResult sleep_relative(Thread& thread) {
  const Nanoseconds deadline = thread.restart.data[0];
  const ClockReference clock = TRY(find_clock(thread, static_cast<int>(thread.restart.data[2])));
  if (sleep_until_on(clock, thread.process(), deadline)) return 0;
  const Nanoseconds now = clock.read(thread.process());
  return deadline > now ? interrupted(thread, deadline - now) : CallResult(0);
}

CallResult begin_relative_sleep(Thread& thread, int clock_id, Nanoseconds duration, uint64_t left_address) {
  const ClockReference clock = TRY(find_clock(thread, clock_id));
  const Nanoseconds now = clock.read(thread.process());
  thread.restart.data[0] = duration > kForever - now ? kForever : now + duration;
  thread.restart.data[1] = left_address;
  thread.restart.data[2] = static_cast<uint64_t>(clock_id);
  return sleep_relative(thread);
}

}  // namespace

CallResult sys_nanosleep(const Call& call) {
  const Nanoseconds duration = TRY(to_nanoseconds(TRY(call.pointer<const TimeSpec>(0).load())));
  return begin_relative_sleep(call.thread, kClockMonotonic, duration, call.args[1]);
}

CallResult sys_clock_nanosleep(const Call& call) {
  constexpr int kAbsolute = 1;
  int clock_id = call.as_int(0);
  if (clock_id == kClockThreadCpu) return Error(Errno::Inval);
  if (clock_id == kClockMonotonicRaw || clock_id == kClockRealtimeCoarse || clock_id == kClockMonotonicCoarse)
    return Error(Errno::OpNotSupp);
  const ClockReference clock = TRY(find_clock(call.thread, clock_id));
  const Nanoseconds time = TRY(to_nanoseconds(TRY(call.pointer<const TimeSpec>(2).load())));
  if (call.as_int(1) & kAbsolute) {
    if (sleep_until_on(clock, call.process(), time)) return 0;
    return Error(Errno::RestartNoHandler);
  }
  // A duration does not change when the wall clock is set.
  if (clock.clock == TimerClock::Wall) clock_id = kClockMonotonic;
  return begin_relative_sleep(call.thread, clock_id, time, call.args[3]);
}

}  // namespace tine::abi::linux_abi
