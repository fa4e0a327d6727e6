// SPDX-License-Identifier: BSD-2-Clause
// System calls about the system as a whole (system.cpp), resource limits and usage (resource.cpp), and what a process
// sets about itself (prctl.cpp).
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_uname(const Call&);
CallResult sys_sethostname(const Call&);
CallResult sys_setdomainname(const Call&);
CallResult sys_sysinfo(const Call&);
CallResult sys_getrandom(const Call&);
CallResult sys_syslog(const Call&);
CallResult sys_reboot(const Call&);
CallResult sys_vhangup(const Call&);
CallResult sys_swapon(const Call&);
CallResult sys_swapoff(const Call&);
CallResult sys_iopl(const Call&);
CallResult sys_ioperm(const Call&);

CallResult sys_getrusage(const Call&);
CallResult sys_getrlimit(const Call&);
CallResult sys_setrlimit(const Call&);
CallResult sys_prlimit64(const Call&);

CallResult sys_prctl(const Call&);
CallResult sys_arch_prctl(const Call&);
CallResult sys_personality(const Call&);

}  // namespace tine::abi::linux_abi
