// SPDX-License-Identifier: BSD-2-Clause
// System calls that start programs.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_execve(const Call&);
CallResult sys_execveat(const Call&);

}  // namespace tine::abi::linux_abi
