// SPDX-License-Identifier: BSD-2-Clause
// System calls about scheduling: policy, priority, CPUs.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

// sched.cpp
CallResult sys_sched_yield(const Call&);
CallResult sys_sched_setparam(const Call&);
CallResult sys_sched_getparam(const Call&);
CallResult sys_sched_setscheduler(const Call&);
CallResult sys_sched_getscheduler(const Call&);
CallResult sys_sched_setattr(const Call&);
CallResult sys_sched_getattr(const Call&);
CallResult sys_sched_get_priority_max(const Call&);
CallResult sys_sched_get_priority_min(const Call&);
CallResult sys_sched_rr_get_interval(const Call&);

// priority.cpp
CallResult sys_getpriority(const Call&);
CallResult sys_setpriority(const Call&);
CallResult sys_sched_setaffinity(const Call&);
CallResult sys_sched_getaffinity(const Call&);
CallResult sys_getcpu(const Call&);

}  // namespace tine::abi::linux_abi
