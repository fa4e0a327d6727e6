// SPDX-License-Identifier: BSD-2-Clause
// System calls about futexes.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_futex(const Call&);
CallResult sys_set_robust_list(const Call&);
CallResult sys_get_robust_list(const Call&);

}  // namespace tine::abi::linux_abi
