// SPDX-License-Identifier: BSD-2-Clause
#include "abi/linux/restricted.h"

#include <utility>

#include "abi/bsd/table.h"
#include "abi/linux/promise_table.h"
#include "abi/linux/table.h"
#include "base/log.h"
#include "process/exit.h"
#include "process/path_policy.h"

namespace tine::abi::linux_abi {

using process::PathUse;
using process::Promises;
using process::Thread;

namespace {

constexpr uint64_t kRestartSystemCall = 219;
constexpr uintptr_t kInstructionSize = 2;   // SYSCALL, which the saved address is behind

const char* name_of(uint64_t number) {
  return number < kSystemCallCount ? system_call_name(number) : bsd::system_call_name(number);
}

// Not by a signal that waits: another thread could still catch it, block it or do harm.
[[noreturn]] void abort_process(Thread& thread) {
  process::exit_process(thread, process::signal_status(process::kSigAbrt, /*core=*/false));
}

CallResult refuse(const Call& call, uint64_t number, Promises missing) {
  const process::Process& process = call.process();
  if (process.restrictions.promises.load() & process::promise::kError) return Error(Errno::NoSys);
  const std::string_view promise = process::promise_name(missing);
  log(LogLevel::Warning, "%s[%d]: pledge \"%.*s\", syscall %llu (%s)\n", call.thread.name, process.pid(),
      static_cast<int>(promise.size()), promise.data(), static_cast<unsigned long long>(number), name_of(number));
  abort_process(call.thread);
}

// By number and registers. Paths that could be excused are left to the policy.
Result<Promises> missing_at_entry(const Call& call, uint64_t number, const PathUse& use) {
  const process::Process& process = call.process();
  if (!process.has(process::kPledged)) return 0;
  const Promises held = process.restrictions.promises.load();
  if (const Promises missing = TRY(missing_promises(call, number, held))) return missing;
  if (use.kind == PathUse::Kind::None || use.may_be_excused()) return 0;
  return use.all_promises() & ~held;
}

}  // namespace

CallResult make_restricted(const Call& call, uint64_t number, CallResult (*make)(const Call&, uint64_t)) {
  Thread& thread = call.thread;
  const PathUse use = path_use(call, number);
  if (const Promises missing = TRY(missing_at_entry(call, number, use))) return refuse(call, number, missing);

  process::PathPolicy policy(thread, use);
  thread.lookup_guard = &policy;
  const CallResult result = make(call, number);
  thread.lookup_guard = nullptr;
  if (const Promises missing = std::exchange(thread.violation, 0)) return refuse(call, number, missing);
  return result;
}

void check_pin(const Call& call, uint64_t number) {
  const uintptr_t address = call.thread.frame().instruction_pointer() - kInstructionSize;
  if (process::may_call_from(call.process(), number, address)) return;
  // A call that the kernel restarts has its own number, at the address of the interrupted one, which was looked at.
  if (number == kRestartSystemCall && call.thread.restart.function != nullptr) return;
  log(LogLevel::Warning, "%s[%d]: pinsyscalls addr %#lx, syscall %llu (%s)\n", call.thread.name, call.process().pid(),
      static_cast<unsigned long>(address), static_cast<unsigned long long>(number), name_of(number));
  abort_process(call.thread);
}

}  // namespace tine::abi::linux_abi
