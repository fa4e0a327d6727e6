// SPDX-License-Identifier: BSD-2-Clause
#include "abi/linux/dispatch.h"

#include <array>

#include "abi/bsd/table.h"
#include "abi/linux/restricted.h"
#include "abi/linux/table.h"
#include "abi/linux/traced.h"
#include "base/log.h"
#include "process/tracing.h"

namespace tine::abi::linux_abi {

namespace {

std::array<std::atomic<bool>, kSystemCallCount> missing_logged{};

// A BSD call, or none at all. Missing calls are named once each; a program that probes does not flood the console.
[[gnu::noinline]] CallResult not_linux(const Call& call, uint64_t number) {
  if (const Handler handler = bsd::system_call_handler(number)) return handler(call);
  if (number < kSystemCallCount && !missing_logged[number].exchange(true))
    log(LogLevel::Info, "system call %llu (%s) is not implemented; first used by %s (pid %d)\n",
        static_cast<unsigned long long>(number), system_call_name(number), call.thread.name, call.process().pid());
  return Error(Errno::NoSys);
}

// Inlined: it is on the path of every call.
[[gnu::always_inline]] inline CallResult make(const Call& call, uint64_t number) {
  const Handler handler = system_call_handler(number);
  return handler != nullptr ? handler(call) : not_linux(call, number);
}

// The result goes to where the program, and its tracer, find it.
void finish(machine::TrapFrame& frame, process::Thread& thread, const CallResult& result) {
  if (result) [[likely]] {
    frame.set_return_value(*result);
    return;
  }
  // A call that wants to be restarted is looked at on the way back to user mode, where its last word is spoken.
  if (result.error() >= Errno::RestartSys) thread.request_work(sched::kWorkSignal);
  frame.set_return_value(-static_cast<uint64_t>(result.error()));
}

Call call_in(machine::TrapFrame& frame, process::Thread& thread) {
  return {thread, {frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9}};
}

// For somebody who looks at this thread's calls (process::CallWatch).
void make_recorded(machine::TrapFrame& frame, process::Thread& thread) {
  const Call call = call_in(frame, thread);
  const uint64_t number = frame.system_call_number();
  if (thread.is_watched_by(process::kWatchedByPins)) check_pin(call, number);
  const bool recorded = thread.is_watched_by(process::kWatchedByKtrace);
  if (recorded) record_entry(call, number);
  const CallResult result =
      thread.is_watched_by(process::kWatchedByPledge) ? make_restricted(call, number, make) : make(call, number);
  finish(frame, thread, result);
  if (recorded) record_exit(call, number, result);
}

// A tracer may change the call and its arguments at the entry, or make it none at all, and the result at the exit.
[[gnu::noinline]] void make_watched(machine::TrapFrame& frame, process::Thread& thread) {
  if (!process::is_traced(thread)) return make_recorded(frame, thread);
  const bool stepping = process::is_stepping(thread);
  if (!process::report_call_entry(thread)) return;
  if (frame.in_system_call()) make_recorded(frame, thread);
  process::report_call_exit(thread);
  if (stepping) process::end_step(thread);
}

}  // namespace

void dispatch(machine::TrapFrame& frame) {
  process::Thread& thread = process::current();
  if (thread.call_watch.load(std::memory_order_relaxed) != 0) [[unlikely]] return make_watched(frame, thread);
  finish(frame, thread, make(call_in(frame, thread), frame.system_call_number()));
}

}  // namespace tine::abi::linux_abi
