// SPDX-License-Identifier: BSD-2-Clause
#include "abi/bsd/descriptor.h"

#include "abi/linux/usage.h"
#include "process/exit.h"
#include "process/fork.h"
#include "process/pidfd.h"

namespace tine::abi::bsd {

using process::Process;

namespace {
constexpr uint32_t kDaemon = 1, kCloseOnExec = 2;                        // PD_*
constexpr uint32_t kNoHang = 1, kUntraced = 2, kExited = 4, kContinued = 8, kAll = 0x40000000;
}  // namespace

CallResult sys_pdfork(const Call& call) {
  const uint32_t flags = call.as_unsigned(1);
  if (flags & ~(kDaemon | kCloseOnExec)) return Error(Errno::Inval);
  if (call.args[0] == 0) return Error(Errno::Fault);
  process::ForkRequest request;
  request.exit_signal = 0;   // nobody hears of its end but through the descriptor
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
  if (const auto usage = call.pointer<linux_abi::ResourceUsage>(3))
    TRY(usage.store(linux_abi::to_resource_usage(result.usage)));
  return static_cast<uint64_t>(result.pid);
}

}  // namespace tine::abi::bsd
