// SPDX-License-Identifier: BSD-2-Clause
#include "abi/bsd/descriptor.h"

#include "abi/linux/process.h"
#include "abi/linux/usage.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/pidfd.h"

namespace tine::abi::bsd {

using process::Process;

namespace {
constexpr uint32_t kDaemon = 1, kCloseOnExec = 2;                        // PD_*
constexpr uint32_t kNoHang = 1, kUntraced = 2, kExited = 4, kContinued = 8, kNoReap = 0x01000000, kAll = 0x40000000;

Result<> store_usage(vm::UserPtr<linux_abi::ResourceUsage> to, const process::Usage& usage) {
  return to ? to.store(linux_abi::to_resource_usage(usage)) : Result<>();
}
}  // namespace

CallResult sys_pdfork(const Call& call) {
  const uint32_t flags = call.as_unsigned(1);
  if (flags & ~(kDaemon | kCloseOnExec)) return Error(Errno::Inval);
  if (call.args[0] == 0) return Error(Errno::Fault);
  process::ForkRequest request;
  request.exit_signal = 0;   // nobody hears of its end but who asks for it by descriptor or pid
  request.store_pidfd = call.args[0];
  request.pidfd_kind = flags & kDaemon ? process::PidFdKind::Daemon : process::PidFdKind::Owner;
  request.pidfd_close_on_exec = flags & kCloseOnExec;
  const Ref<Process> child = TRY(process::fork(call.thread, request));
  return static_cast<uint64_t>(child->pid());
}

CallResult sys_pdkill(const Call& call) {
  const int signal = call.as_int(1);
  if (signal < 0 || signal > process::kSignalCount) return Error(Errno::Inval);
  const Ref<Process> target = TRY(process::process_of_descriptor(call.process(), call.as_int(0)));
  if (target->life.load() == process::LifeState::Reaped) return Error(Errno::Srch);
  TRY(process::signal_from(call.process(), *target, process::user_signal(signal, call.process())));
  return 0;
}

CallResult sys_pdgetpid(const Call& call) {
  const Ref<Process> target = TRY(process::process_of_descriptor(call.process(), call.as_int(0)));
  TRY(call.pointer<process::PidNumber>(1).store(target->pid()));
  return 0;
}

CallResult sys_pdwait4(const Call& call) {
  const uint32_t options = call.as_unsigned(2);
  if (options & ~(kNoHang | kUntraced | kContinued)) return Error(Errno::Inval);
  const Ref<Process> target = TRY(process::process_of_descriptor(call.process(), call.as_int(0)));
  process::WaitRequest request;
  request.what = process::WaitFor::PidFd;
  request.process = target.get();
  request.options = options | kExited | kAll;
  const process::WaitResult result = TRY(process::wait_for_child(call.thread, request));
  if (result.pid == 0) return 0;
  if (const auto status = call.pointer<int>(1)) TRY(status.store(result.status));
  TRY(store_usage(call.pointer<linux_abi::ResourceUsage>(3), result.usage()));
  return static_cast<uint64_t>(result.pid);
}

// pdwait(descriptor, status, options, usage, children's usage, info): C libraries do not agree on the size of struct rusage,
// of which struct __wrusage has two. As in FreeBSD, a bad pointer is seen when the child has been reaped.
CallResult sys_pdwait(const Call& call) {
  constexpr uint32_t kEvents = kUntraced | kExited | kContinued;
  const uint32_t options = call.as_unsigned(2);
  if (!(options & kEvents) || options & ~(kEvents | kNoHang | kNoReap)) return Error(Errno::Inval);
  TRY(call.process().descriptors()->get(call.as_int(0)));
  const Result<Ref<Process>> target = process::process_of_descriptor(call.process(), call.as_int(0));
  if (!target) return Error(Errno::Inval);   // open, but no process descriptor
  process::WaitRequest request;
  request.what = process::WaitFor::PidFd;
  request.process = target->get();
  request.options = options | kAll;
  const Result<process::WaitResult> waited = process::wait_for_child(call.thread, request);
  if (!waited) return Error(waited.error() == Errno::Child ? Errno::Srch : waited.error());
  const process::WaitResult& result = *waited;
  if (const auto status = call.pointer<int>(1); status && result.pid != 0) TRY(status.store(result.status));
  TRY(store_usage(call.pointer<linux_abi::ResourceUsage>(3), result.own_usage));
  TRY(store_usage(call.pointer<linux_abi::ResourceUsage>(4), result.children_usage));
  if (const auto info = call.pointer<process::SignalInfo>(5)) TRY(info.store(linux_abi::to_signal_info(result)));
  return 0;
}

}  // namespace tine::abi::bsd
