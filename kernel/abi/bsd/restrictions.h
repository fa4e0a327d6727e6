// SPDX-License-Identifier: BSD-2-Clause
// pledge(2), unveil(2), pinsyscalls(2): a process gives up what it does not need.
#pragma once

#include "abi/bsd/table.h"

namespace tine::abi::bsd {

CallResult sys_pledge(const Call& call);
CallResult sys_unveil(const Call& call);
CallResult sys_pinsyscalls(const Call& call);

}  // namespace tine::abi::bsd
