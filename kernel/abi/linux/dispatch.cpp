// SPDX-License-Identifier: BSD-2-Clause
#include "abi/linux/dispatch.h"

#include <array>

#include "abi/bsd/table.h"
#include "abi/linux/table.h"
#include "abi/linux/traced.h"
#include "base/log.h"

namespace tine::abi::linux_abi {

namespace {

std::array<std::atomic<bool>, kSystemCallCount> missing_logged{};

// A BSD call, or none at all. Missing calls are named once each; a program that probes does not flood the console.
CallResult not_linux(const Call& call, uint64_t number) {
  if (const Handler handler = bsd::system_call_handler(number)) return handler(call);
  if (number < kSystemCallCount && !missing_logged[number].exchange(true))
    log(LogLevel::Info, "system call %llu (%s) is not implemented; first used by %s (pid %d)\n",
        static_cast<unsigned long long>(number), system_call_name(number), call.thread.name, call.process().pid());
  return Error(Errno::NoSys);
}

}  // namespace

void dispatch(machine::TrapFrame& frame) {
  process::Thread& thread = process::current();
  const Call call{thread, {frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9}};
  const uint64_t number = frame.system_call_number();
  const Handler handler = system_call_handler(number);
  const bool traced = thread.calls_traced.load(std::memory_order_relaxed);
  if (traced) [[unlikely]] record_entry(call, number);
  const CallResult result = handler != nullptr ? handler(call) : not_linux(call, number);
  if (traced) [[unlikely]] record_exit(call, number, result);
  if (result) [[likely]] {
    frame.set_return_value(*result);
    return;
  }
  // A call that wants to be restarted is looked at on the way back to user mode, where its last word is spoken.
  if (result.error() >= Errno::RestartSys) thread.request_work(sched::kWorkSignal);
  frame.set_return_value(-static_cast<uint64_t>(result.error()));
}

}  // namespace tine::abi::linux_abi
