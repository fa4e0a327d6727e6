// SPDX-License-Identifier: BSD-2-Clause
// sysctl(2), by numbers and by name.
#pragma once

#include "abi/bsd/table.h"

namespace tine::abi::bsd {

CallResult sys_sysctl(const Call& call);
CallResult sys_sysctlbyname(const Call& call);

}  // namespace tine::abi::bsd
