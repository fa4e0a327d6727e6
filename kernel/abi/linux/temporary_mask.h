// SPDX-License-Identifier: BSD-2-Clause
// The signal mask that ppoll(2), pselect(2) and epoll_pwait(2) set for the time that they wait.
#pragma once

#include "abi/linux/syscall.h"
#include "process/signal.h"

namespace tine::abi::linux_abi {

// Runs `function` (a CallResult) under the mask at `mask`, if there is one. Errors: Inval, Fault.
template <class Function>
CallResult with_signal_mask(process::Thread& thread, vm::UserPtr<const uint64_t> mask, size_t size,
                            Function&& function) {
  if (!mask) return function();
  if (size != sizeof(uint64_t)) return Error(Errno::Inval);
  process::set_temporary_mask(thread, process::SignalSet(TRY(mask.load())));
  const CallResult result = function();
  const bool interrupted =
      !result && (result.error() == Errno::RestartNoHandler || result.error() == Errno::Intr);
  process::end_temporary_mask(thread, interrupted);
  return result;
}

}  // namespace tine::abi::linux_abi
