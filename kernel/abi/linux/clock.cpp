// SPDX-License-Identifier: BSD-2-Clause
// Reading and setting clocks.
#include "abi/linux/clock_id.h"
#include "abi/linux/time.h"
#include "abi/linux/timespec.h"
#include "event/timerfd.h"
#include "process/usage.h"

namespace tine::abi::linux_abi {

using process::Process;
using process::Thread;
using process::TimerClock;

namespace {

constexpr Nanoseconds kClockTick = 10 * kMillisecond;  // of times(2): 100 a second

// An id made of a complemented process or thread id, three bits below it saying which clock.
Result<ClockReference> find_cpu_clock(Thread& caller, int id) {
  enum : int { kVirtual = 1, kDescriptor = 3, kKindMask = 3, kOfThread = 4 };
  const int kind = id & kKindMask;
  const process::PidNumber number = ~(id >> 3);
  if (kind == kDescriptor || number < 0) return Error(Errno::Inval);
  if (id & kOfThread) {
    Ref<Thread> thread = number == 0 ? Ref<Thread>(&caller) : process::find_thread(number);
    if (thread == nullptr || &thread->process() != &caller.process()) return Error(Errno::Inval);
    return ClockReference{TimerClock::ThreadCpu, nullptr, std::move(thread)};
  }
  Ref<Process> process = number == 0 ? Ref<Process>(&caller.process()) : process::find_process(number);
  if (process == nullptr) return Error(Errno::Inval);
  return ClockReference{kind == kVirtual ? TimerClock::ProcessUser : TimerClock::ProcessCpu,
                        std::move(process), nullptr};
}

Result<> set_wall_clock(const Process& caller, Nanoseconds time) {
  if (!caller.credentials()->capable(identity::Capability::SysTime)) return Error(Errno::Perm);
  TRY(sched::set_wall_clock(time));
  process::wall_clock_was_set();
  event::wall_clock_was_set();
  return {};
}

// struct timex. The clock is not disciplined: what there is to tell is that it runs free, and the time.
struct ClockAdjustment {
  uint32_t modes, padding0;
  int64_t offset, frequency, maximum_error, estimated_error;
  int32_t status, padding1;
  int64_t constant, precision, tolerance;
  TimeVal time;
  int64_t tick;
  int64_t pulse_fields[8];
  int32_t tai_offset;
  int32_t reserved[11];
};
static_assert(sizeof(ClockAdjustment) == 208);

CallResult adjust_clock(const Call& call, vm::UserPtr<ClockAdjustment> user) {
  constexpr uint32_t kSetOffset = 0x100, kNanoseconds = 0x2000;
  constexpr int32_t kUnsynchronised = 0x40;
  constexpr uint64_t kClockError = 5;
  const ClockAdjustment given = TRY(user.load());
  if (given.modes != 0) {
    if (!call.process().credentials()->capable(identity::Capability::SysTime)) return Error(Errno::Perm);
    if ((given.modes & ~kNanoseconds) != kSetOffset) return Error(Errno::OpNotSupp);
    const int64_t unit = given.modes & kNanoseconds ? 1 : static_cast<int64_t>(kMicrosecond);
    if (given.time.microseconds < 0 || given.time.microseconds >= static_cast<int64_t>(kSecond) / unit)
      return Error(Errno::Inval);
    const __int128 target = static_cast<__int128>(sched::wall_clock()) +
                            static_cast<__int128>(given.time.seconds) * static_cast<int64_t>(kSecond) +
                            given.time.microseconds * unit;
    if (target < 0 || target >= INT64_MAX) return Error(Errno::Inval);
    TRY(set_wall_clock(call.process(), static_cast<Nanoseconds>(target)));
  }
  ClockAdjustment answer{};
  answer.status = kUnsynchronised;
  answer.maximum_error = answer.estimated_error = 16'000'000;
  answer.precision = 1;
  answer.tolerance = 32'768'000;
  answer.time = to_timeval(sched::wall_clock());
  answer.tick = static_cast<int64_t>(kClockTick / kMicrosecond);
  TRY(user.store(answer));
  return kClockError;
}

}  // namespace

Result<ClockReference> find_clock(Thread& caller, int id) {
  if (id < 0) return find_cpu_clock(caller, id);
  switch (id) {
    case kClockRealtime:
    case kClockRealtimeCoarse:
    case kClockRealtimeAlarm:
    case kClockTai:
      return ClockReference{TimerClock::Wall, nullptr, nullptr};
    case kClockMonotonic:
    case kClockMonotonicRaw:
    case kClockMonotonicCoarse:
    case kClockBoottime:
    case kClockBoottimeAlarm:
      return ClockReference{TimerClock::Uptime, nullptr, nullptr};
    case kClockProcessCpu:
      return ClockReference{TimerClock::ProcessCpu, nullptr, nullptr};
    case kClockThreadCpu:
      return ClockReference{TimerClock::ThreadCpu, nullptr, Ref<Thread>(&caller)};
    default:
      return Error(Errno::Inval);
  }
}

CallResult sys_clock_gettime(const Call& call) {
  const auto into = call.pointer<TimeSpec>(1);
  Nanoseconds now = 0;
  switch (call.as_int(0)) {  // the two that everybody asks for
    case kClockMonotonic:
      now = sched::uptime();
      break;
    case kClockRealtime:
      now = sched::wall_clock();
      break;
    default:
      now = TRY(find_clock(call.thread, call.as_int(0))).read(call.process());
  }
  TRY(into.store(to_timespec(now)));
  return 0;
}

CallResult sys_clock_settime(const Call& call) {
  if (call.as_int(0) != kClockRealtime) return Error(Errno::Inval);
  TRY(set_wall_clock(call.process(), TRY(to_nanoseconds(TRY(call.pointer<const TimeSpec>(1).load())))));
  return 0;
}

CallResult sys_clock_getres(const Call& call) {
  TRY(find_clock(call.thread, call.as_int(0)));
  if (call.args[1] != 0) TRY(call.pointer<TimeSpec>(1).store({0, 1}));
  return 0;
}

CallResult sys_clock_adjtime(const Call& call) {
  TRY(find_clock(call.thread, call.as_int(0)));
  if (call.as_int(0) != kClockRealtime) return Error(Errno::OpNotSupp);
  return adjust_clock(call, call.pointer<ClockAdjustment>(1));
}

CallResult sys_adjtimex(const Call& call) { return adjust_clock(call, call.pointer<ClockAdjustment>(0)); }

CallResult sys_gettimeofday(const Call& call) {
  struct TimeZone {
    int32_t minutes_west, daylight_saving;
  };
  if (call.args[0] != 0) TRY(call.pointer<TimeVal>(0).store(to_timeval(sched::wall_clock())));
  if (call.args[1] != 0) TRY(call.pointer<TimeZone>(1).store({0, 0}));
  return 0;
}

CallResult sys_settimeofday(const Call& call) {
  // A time zone alone is accepted from who may set the clock, and forgotten: the kernel has no use for one.
  if (call.args[0] == 0)
    return call.process().credentials()->capable(identity::Capability::SysTime) ? CallResult(0)
                                                                                : Error(Errno::Perm);
  TRY(set_wall_clock(call.process(), TRY(to_nanoseconds(TRY(call.pointer<const TimeVal>(0).load())))));
  return 0;
}

CallResult sys_time(const Call& call) {
  const auto now = static_cast<int64_t>(sched::wall_clock() / kSecond);
  if (call.args[0] != 0) TRY(call.pointer<int64_t>(0).store(now));
  return static_cast<uint64_t>(now);
}

CallResult sys_times(const Call& call) {
  struct Times {  // struct tms
    uint64_t user, system, children_user, children_system;
  };
  if (call.args[0] != 0) {
    const process::Usage own = process::process_usage(call.process());
    process::Usage children;
    {
      sync::SpinGuard guard(process::tree_lock);
      children = call.process().children_usage;
    }
    TRY(call.pointer<Times>(0).store({own.user_time / kClockTick, own.system_time / kClockTick,
                                      children.user_time / kClockTick, children.system_time / kClockTick}));
  }
  return sched::uptime() / kClockTick;
}

}  // namespace tine::abi::linux_abi
