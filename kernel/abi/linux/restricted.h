// SPDX-License-Identifier: BSD-2-Clause
// The system calls of restricted processes: those that have pledged, unveiled or pinned. A call that goes beyond what was promised ends the
// process with SIGABRT, which nothing can catch; with the promise "error" it is just missing (ENOSYS). Seed rows C8-C10.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

// Makes the call by `make` if nothing stands against it.
CallResult make_restricted(const Call& call, uint64_t number, CallResult (*make)(const Call&, uint64_t));

// Ends the process with SIGABRT if it has pinned its calls and makes this one from another address.
void check_pin(const Call& call, uint64_t number);

}  // namespace tine::abi::linux_abi
