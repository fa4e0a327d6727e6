// SPDX-License-Identifier: BSD-2-Clause
// ptrace(2) in the BSD form.
#pragma once

#include "abi/bsd/table.h"

namespace tine::abi::bsd {

CallResult sys_ptrace(const Call& call);

}  // namespace tine::abi::bsd
