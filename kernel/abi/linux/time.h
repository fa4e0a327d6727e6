// SPDX-License-Identifier: BSD-2-Clause
// System calls about clocks, sleeping and timers.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_nanosleep(const Call&);
CallResult sys_clock_nanosleep(const Call&);
CallResult sys_clock_gettime(const Call&);
CallResult sys_clock_settime(const Call&);
CallResult sys_clock_getres(const Call&);
CallResult sys_clock_adjtime(const Call&);
CallResult sys_adjtimex(const Call&);
CallResult sys_gettimeofday(const Call&);
CallResult sys_settimeofday(const Call&);
CallResult sys_time(const Call&);
CallResult sys_times(const Call&);
CallResult sys_getitimer(const Call&);
CallResult sys_setitimer(const Call&);
CallResult sys_alarm(const Call&);
CallResult sys_timer_create(const Call&);
CallResult sys_timer_settime(const Call&);
CallResult sys_timer_gettime(const Call&);
CallResult sys_timer_getoverrun(const Call&);
CallResult sys_timer_delete(const Call&);

}  // namespace tine::abi::linux_abi
