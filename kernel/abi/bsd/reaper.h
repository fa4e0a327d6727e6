// SPDX-License-Identifier: BSD-2-Clause
// procctl(2): the reaper's calls.
#pragma once

#include "abi/bsd/table.h"

namespace tine::abi::bsd {

CallResult sys_procctl(const Call& call);

}  // namespace tine::abi::bsd
