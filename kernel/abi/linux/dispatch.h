// SPDX-License-Identifier: BSD-2-Clause
// From a trap frame to a handler and back.
#pragma once

#include "machine/trap_frame.h"

namespace tine::abi::linux_abi {

// One system call of the running thread.
void dispatch(machine::TrapFrame& frame);

}  // namespace tine::abi::linux_abi
