// SPDX-License-Identifier: BSD-2-Clause
// System calls that make, end, wait for and arrange processes.
#pragma once

#include "abi/linux/syscall.h"
#include "process/exit.h"
#include "process/signal.h"
#include "process/unshare.h"

namespace tine::abi::linux_abi {

// What waitid(2) tells of a child; all zero when there is nothing yet.
process::SignalInfo to_signal_info(const process::WaitResult& result);

// What the process shares with other processes becomes its own. Inval when it has several threads.
Result<> unshare(const Call& call, const process::UnshareRequest& request);

CallResult sys_fork(const Call&);
CallResult sys_vfork(const Call&);
CallResult sys_clone(const Call&);
CallResult sys_clone3(const Call&);
CallResult sys_exit(const Call&);
CallResult sys_exit_group(const Call&);
CallResult sys_wait4(const Call&);
CallResult sys_waitid(const Call&);
CallResult sys_getpid(const Call&);
CallResult sys_getppid(const Call&);
CallResult sys_gettid(const Call&);
CallResult sys_set_tid_address(const Call&);
CallResult sys_getpgid(const Call&);
CallResult sys_getpgrp(const Call&);
CallResult sys_setpgid(const Call&);
CallResult sys_getsid(const Call&);
CallResult sys_setsid(const Call&);
CallResult sys_pidfd_open(const Call&);
CallResult sys_pidfd_send_signal(const Call&);
CallResult sys_pidfd_getfd(const Call&);
CallResult sys_unshare(const Call&);

}  // namespace tine::abi::linux_abi
