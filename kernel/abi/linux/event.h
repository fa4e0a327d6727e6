// SPDX-License-Identifier: BSD-2-Clause
// System calls that wait for files, and the files made to be waited for.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

// poll.cpp
CallResult sys_poll(const Call&);
CallResult sys_ppoll(const Call&);
CallResult sys_select(const Call&);
CallResult sys_pselect6(const Call&);

// event.cpp
CallResult sys_epoll_create(const Call&);
CallResult sys_epoll_create1(const Call&);
CallResult sys_epoll_ctl(const Call&);
CallResult sys_epoll_wait(const Call&);
CallResult sys_epoll_pwait(const Call&);
CallResult sys_epoll_pwait2(const Call&);
CallResult sys_eventfd(const Call&);
CallResult sys_eventfd2(const Call&);
CallResult sys_timerfd_create(const Call&);
CallResult sys_timerfd_settime(const Call&);
CallResult sys_timerfd_gettime(const Call&);
CallResult sys_signalfd(const Call&);
CallResult sys_signalfd4(const Call&);

}  // namespace tine::abi::linux_abi
