// SPDX-License-Identifier: BSD-2-Clause
// kqueue(2), kevent(2).
#pragma once

#include "abi/bsd/table.h"

namespace tine::abi::bsd {

CallResult sys_kqueue(const Call& call);   // kqueue1(flags)
CallResult sys_kevent(const Call& call);

}  // namespace tine::abi::bsd
