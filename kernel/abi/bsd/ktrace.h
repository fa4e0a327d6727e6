// SPDX-License-Identifier: BSD-2-Clause
// ktrace(2), utrace(2), acct(2).
#pragma once

#include "abi/bsd/table.h"

namespace tine::abi::bsd {

CallResult sys_ktrace(const Call& call);
CallResult sys_utrace(const Call& call);
CallResult sys_acct(const Call& call);

}  // namespace tine::abi::bsd
