// SPDX-License-Identifier: BSD-2-Clause
// System calls that send, block, wait for and handle signals.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_rt_sigaction(const Call&);
CallResult sys_rt_sigprocmask(const Call&);
CallResult sys_rt_sigpending(const Call&);
CallResult sys_rt_sigsuspend(const Call&);
CallResult sys_rt_sigtimedwait(const Call&);
CallResult sys_rt_sigqueueinfo(const Call&);
CallResult sys_rt_tgsigqueueinfo(const Call&);
CallResult sys_rt_sigreturn(const Call&);
CallResult sys_sigaltstack(const Call&);
CallResult sys_kill(const Call&);
CallResult sys_tkill(const Call&);
CallResult sys_tgkill(const Call&);
CallResult sys_pause(const Call&);
CallResult sys_restart_syscall(const Call&);

// The signal set that a call like ppoll(2) or rt_sigsuspend(2) points to; Inval when `size` is not sigset_t's.
Result<process::SignalSet> load_signal_set(vm::UserPtr<const uint64_t> set, uint64_t size);

}  // namespace tine::abi::linux_abi
