// SPDX-License-Identifier: BSD-2-Clause
// Entering and leaving handlers: alternate stacks, what the handler's frame saves, sigreturn. Source:
// sigaction(2), sigaltstack(2), sigreturn(2).
#pragma once

#include "base/result.h"
#include "process/signal.h"

namespace tine::process {

// Makes the running thread enter `action`'s handler. False: there is no usable stack for it.
[[nodiscard]] bool enter_handler(Thread& thread, const SignalInfo& info, const SignalAction& action);

// rt_sigreturn(2). Fault: there is no frame, and nothing has changed; or only its x87 and vector registers are malformed,
// and the interrupted program goes on without them. The caller then owes the thread a SIGSEGV.
Result<> return_from_handler(Thread& thread);

inline constexpr uint32_t kOnAlternateStack = 1, kNoAlternateStack = 2, kAutoDisarm = 1u << 31;  // SS_*
// MINSIGSTKSZ. Whether a frame really fits is seen when a handler is entered: it depends on the CPU's
// registers.
inline constexpr size_t kLeastAlternateStack = 2048;

// sigaltstack(2). Errors: Perm while the thread runs on it, Inval, NoMem (too small).
Result<> set_alternate_stack(Thread& thread, const AlternateStack& stack);
bool is_on_alternate_stack(Thread& thread);

}  // namespace tine::process
