// SPDX-License-Identifier: BSD-2-Clause
// futex(2), set_robust_list(2). Not there: FUTEX_FD (gone from Linux too), FUTEX_WAIT_REQUEUE_PI and
// FUTEX_CMP_REQUEUE_PI (no libc uses them any more): ENOSYS.
#include "abi/linux/futex.h"

#include <algorithm>
#include <climits>

#include "abi/linux/timespec.h"
#include "event/futex.h"
#include "event/futex_pi.h"
#include "process/inspection.h"

namespace tine::abi::linux_abi {

using event::FutexDeadline;
using event::FutexKey;

namespace {

constexpr unsigned kWait = 0, kWake = 1, kRequeue = 3, kCmpRequeue = 4, kWakeOp = 5, kLockPi = 6,
                   kUnlockPi = 7, kTryLockPi = 8, kWaitBitset = 9, kWakeBitset = 10, kLockPi2 = 13;
constexpr unsigned kPrivateFlag = 128, kClockRealtime = 256;

// A wake count is an int; Linux wakes one for 0 and less.
unsigned wake_count(uint64_t argument) {
  return static_cast<unsigned>(std::max(static_cast<int>(argument), 1));
}

// How the timeout argument of an operation is to be read.
enum class Timeout : uint8_t { Relative, Absolute, AbsoluteWall };

Result<FutexDeadline> read_deadline(const Call& call, Timeout kind) {
  const auto pointer = call.pointer<const TimeSpec>(3);
  if (!pointer) return FutexDeadline();
  const Nanoseconds time = TRY(to_nanoseconds(TRY(pointer.load())));
  if (kind == Timeout::Relative) return FutexDeadline{time == 0 ? machine::now() : deadline_after(time)};
  return FutexDeadline{time, kind == Timeout::AbsoluteWall};
}

struct Wait {
  uintptr_t address;
  uint32_t expected;
  uint32_t bits;
  FutexKey::Scope scope;
  FutexDeadline deadline;
};

constexpr uint64_t kRestartOnWallClock = 2;   // beside the scope

CallResult wait(process::Thread& thread, const Wait& wait);

CallResult wait_again(process::Thread& thread) {
  const uint64_t* data = thread.restart.data;
  return wait(thread, {.address = data[0],
                       .expected = static_cast<uint32_t>(data[1]),
                       .bits = static_cast<uint32_t>(data[2]),
                       .scope = static_cast<FutexKey::Scope>(data[3] & 1),
                       .deadline = {data[4], (data[3] & kRestartOnWallClock) != 0}});
}

// With a timeout, a wait that a signal ends is started again with the same deadline.
CallResult wait(process::Thread& thread, const Wait& wait) {
  const FutexKey key = TRY(FutexKey::of(wait.address, wait.scope));
  const auto result = event::futex_wait(key, wait.address, wait.expected, wait.bits, wait.deadline);
  if (result) return 0;
  if (result.error() != Errno::RestartSys || wait.deadline.time == kForever) return Error(result.error());
  const uint64_t flags = static_cast<uint64_t>(wait.scope) | (wait.deadline.on_wall_clock ? kRestartOnWallClock : 0);
  thread.restart = {.function = wait_again,
                    .data = {wait.address, wait.expected, wait.bits, flags, wait.deadline.time}};
  return Error(Errno::RestartBlock);
}

CallResult requeue(const Call& call, uintptr_t address, FutexKey::Scope scope, const uint32_t* expected) {
  const int wake = call.as_int(2), move = call.as_int(3);
  if (wake < 0 || move < 0) return Error(Errno::Inval);
  const FutexKey from = TRY(FutexKey::of(address, scope));
  const FutexKey to = TRY(FutexKey::of(call.args[4], scope));
  return TRY(event::futex_requeue(
      from, address, to,
      {.wake = static_cast<unsigned>(wake), .move = static_cast<unsigned>(move), .expected = expected}));
}

CallResult done(const Result<>& result) {
  if (!result) return Error(result.error());
  return 0;
}

}  // namespace

CallResult sys_futex(const Call& call) {
  const uintptr_t address = call.args[0];
  const unsigned operation = call.as_unsigned(1);
  const unsigned command = operation & ~(kPrivateFlag | kClockRealtime);
  const bool wall = operation & kClockRealtime;
  const auto scope = operation & kPrivateFlag ? FutexKey::Scope::Private : FutexKey::Scope::Shared;
  const auto value = static_cast<uint32_t>(call.args[2]);
  const auto value3 = static_cast<uint32_t>(call.args[5]);
  if (wall && command != kWaitBitset && command != kLockPi2) return Error(Errno::NoSys);

  switch (command) {
    case kWait:
      return wait(call.thread,
                  {address, value, event::kAnyBits, scope, TRY(read_deadline(call, Timeout::Relative))});
    case kWaitBitset: {
      const auto kind = wall ? Timeout::AbsoluteWall : Timeout::Absolute;
      return wait(call.thread, {address, value, value3, scope, TRY(read_deadline(call, kind))});
    }
    case kWake:
      return event::futex_wake(TRY(FutexKey::of(address, scope)), wake_count(call.args[2]));
    case kWakeBitset:
      if (value3 == 0) return Error(Errno::Inval);
      return event::futex_wake(TRY(FutexKey::of(address, scope)), wake_count(call.args[2]), value3);
    case kRequeue:
      return requeue(call, address, scope, nullptr);
    case kCmpRequeue:
      return requeue(call, address, scope, &value3);
    case kWakeOp: {
      const FutexKey first = TRY(FutexKey::of(address, scope));
      const FutexKey second = TRY(FutexKey::of(call.args[4], scope));
      return TRY(event::futex_wake_op(first, wake_count(call.args[2]), second, call.args[4],
                                      wake_count(call.args[3]), value3));
    }
    case kLockPi:  // its timeout has always been on the wall clock
    case kLockPi2: {
      const auto kind = wall || command == kLockPi ? Timeout::AbsoluteWall : Timeout::Absolute;
      const FutexDeadline deadline = TRY(read_deadline(call, kind));
      return done(event::futex_lock_pi(TRY(FutexKey::of(address, scope)), address, deadline));
    }
    case kTryLockPi:
      return done(event::futex_try_lock_pi(TRY(FutexKey::of(address, scope)), address));
    case kUnlockPi:
      return done(event::futex_unlock_pi(TRY(FutexKey::of(address, scope)), address));
    default:
      return Error(Errno::NoSys);
  }
}

constexpr size_t kRobustListHeadSize = 24;

CallResult sys_set_robust_list(const Call& call) {
  if (call.args[1] != kRobustListHeadSize) return Error(Errno::Inval);
  call.thread.robust_list = call.args[0];
  call.thread.robust_list_size = call.args[1];
  return 0;
}

CallResult sys_get_robust_list(const Call& call) {
  Ref<process::Thread> target = &call.thread;
  if (call.as_int(0) != 0) {
    target = process::find_thread(call.as_int(0));
    if (target == nullptr) return Error(Errno::Srch);
    TRY(process::Inspector(call.process(), process::InspectorIds::Real).check(target->process()));
  }
  TRY(call.pointer<uintptr_t>(1).store(target->robust_list));
  TRY(call.pointer<size_t>(2).store(kRobustListHeadSize));
  return 0;
}

}  // namespace tine::abi::linux_abi
