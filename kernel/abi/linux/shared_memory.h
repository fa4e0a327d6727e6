// SPDX-License-Identifier: BSD-2-Clause
// System calls of System V shared memory.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_shmget(const Call&);
CallResult sys_shmat(const Call&);
CallResult sys_shmdt(const Call&);
CallResult sys_shmctl(const Call&);

}  // namespace tine::abi::linux_abi
