// SPDX-License-Identifier: BSD-2-Clause
// The BSD personality: calls that Linux does not have, under numbers of their own (user/sdk/include/tine/syscall.h).
// Handlers are those of abi/linux/syscall.h: same arguments, same errors, so that one dispatcher serves both and a
// Linux call pays nothing for it. Source: the FreeBSD and OpenBSD manuals, section 2.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::bsd {

using linux_abi::Call;
using linux_abi::CallResult;
using linux_abi::Handler;

Handler system_call_handler(uint64_t number);    // null: not implemented
const char* system_call_name(uint64_t number);   // "?" where there is none

}  // namespace tine::abi::bsd
