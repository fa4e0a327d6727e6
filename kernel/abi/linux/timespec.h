// SPDX-License-Identifier: BSD-2-Clause
// struct timespec and struct timeval as programs pass them, and nanoseconds as the kernel counts them.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "base/units.h"
#include "machine/clock.h"
#include "sched/clock.h"
#include "vm/user_ptr.h"

namespace tine::abi::linux_abi {

struct TimeSpec {
  int64_t seconds = 0;
  int64_t nanoseconds = 0;
};
struct TimeVal {
  int64_t seconds = 0;
  int64_t microseconds = 0;
};

// Inval for negative times and for fractions of a second or more. What does not fit is kForever.
inline Result<Nanoseconds> to_nanoseconds(const TimeSpec& time) {
  if (time.seconds < 0 || time.nanoseconds < 0 || time.nanoseconds >= static_cast<int64_t>(kSecond))
    return Error(Errno::Inval);
  const auto seconds = static_cast<uint64_t>(time.seconds);
  if (seconds >= kForever / kSecond) return kForever;
  return seconds * kSecond + static_cast<uint64_t>(time.nanoseconds);
}
inline Result<Nanoseconds> to_nanoseconds(const TimeVal& time) {
  if (time.microseconds < 0 || time.microseconds >= static_cast<int64_t>(kSecond / kMicrosecond))
    return Error(Errno::Inval);
  return to_nanoseconds(TimeSpec{time.seconds, time.microseconds * static_cast<int64_t>(kMicrosecond)});
}
inline TimeVal to_timeval(Nanoseconds time) {
  return {static_cast<int64_t>(time / kSecond), static_cast<int64_t>(time % kSecond / kMicrosecond)};
}
inline TimeSpec to_timespec(Nanoseconds time) {
  return {static_cast<int64_t>(time / kSecond), static_cast<int64_t>(time % kSecond)};
}

// The moment (uptime) that is `duration` from now; a duration of 0 gives 0, which waits take as "do not wait".
inline Nanoseconds deadline_after(Nanoseconds duration) {
  if (duration == 0) return 0;
  const Nanoseconds now = machine::now();
  return duration < kForever - now ? now + duration : kForever;
}
inline Nanoseconds time_until(Nanoseconds deadline) {
  const Nanoseconds now = machine::now();
  return deadline > now ? deadline - now : 0;
}

}  // namespace tine::abi::linux_abi
