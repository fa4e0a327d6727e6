// SPDX-License-Identifier: BSD-2-Clause
// Which promise each system call needs, Linux's and the BSDs'. Source: pledge(2) of OpenBSD; what only Linux has is
// put beside what it is most like there. Seed row C8.
#pragma once

#include "abi/linux/syscall.h"
#include "process/path_policy.h"

namespace tine::abi::linux_abi {

// What the call needs and `held` lacks, as far as its number and registers tell: one of the set would do; 0 if nothing
// is missing. Perm where the manual has the call refused, not punished. What lies in the program's memory is never
// looked at: another thread could change it behind the check.
Result<process::Promises> missing_promises(const Call& call, uint64_t number, process::Promises held);

// What the call does with its paths.
process::PathUse path_use(const Call& call, uint64_t number);

}  // namespace tine::abi::linux_abi
