// SPDX-License-Identifier: BSD-2-Clause
// System calls on user and group ids and capabilities.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_getuid(const Call&);
CallResult sys_geteuid(const Call&);
CallResult sys_getgid(const Call&);
CallResult sys_getegid(const Call&);
CallResult sys_getresuid(const Call&);
CallResult sys_getresgid(const Call&);
CallResult sys_setuid(const Call&);
CallResult sys_setgid(const Call&);
CallResult sys_setreuid(const Call&);
CallResult sys_setregid(const Call&);
CallResult sys_setresuid(const Call&);
CallResult sys_setresgid(const Call&);
CallResult sys_setfsuid(const Call&);
CallResult sys_setfsgid(const Call&);
CallResult sys_getgroups(const Call&);
CallResult sys_setgroups(const Call&);
CallResult sys_capget(const Call&);
CallResult sys_capset(const Call&);

}  // namespace tine::abi::linux_abi
