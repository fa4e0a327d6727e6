// SPDX-License-Identifier: BSD-2-Clause
// What ktrace(2) records of a system call: its number and arguments, the names and the data that it was given, and what
// it returned. Only traced threads come here.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

void record_entry(const Call& call, uint64_t number);
void record_exit(const Call& call, uint64_t number, const CallResult& result);

}  // namespace tine::abi::linux_abi
