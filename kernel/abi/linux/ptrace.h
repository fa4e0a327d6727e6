// SPDX-License-Identifier: BSD-2-Clause
// ptrace(2).
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_ptrace(const Call& call);

}  // namespace tine::abi::linux_abi
