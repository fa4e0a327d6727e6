// SPDX-License-Identifier: BSD-2-Clause
// fork(2), vfork(2), clone(2), exit(2), wait(2), setpgid(2), setsid(2), pidfd_open(2), unshare(2). Flags are translated
// into a process::ForkRequest and nothing more; threads in Tine share descriptors, directories and actions with their
// process, as in the BSDs, so clone's CLONE_THREAD wants all of those shared.
#include "abi/linux/process.h"

#include "process/exit.h"
#include "process/fork.h"
#include "process/inspection.h"
#include "process/pidfd.h"
#include "process/unshare.h"
#include "view/procfs.h"

namespace tine::abi::linux_abi {

using process::ForkFlag;
using process::ForkKind;
using process::ForkRequest;
using process::PidNumber;
using process::Process;

namespace {

constexpr uint64_t kCloneVm = 0x100, kCloneFs = 0x200, kCloneFiles = 0x400, kCloneSigHand = 0x800, kClonePidFd = 0x1000,
                   kClonePtrace = 0x2000, kCloneVfork = 0x4000, kCloneParent = 0x8000, kCloneThread = 0x10000,
                   kCloneNewNs = 0x20000, kCloneSysVSem = 0x40000, kCloneSetTls = 0x80000, kCloneParentSetTid = 0x100000,
                   kCloneChildClearTid = 0x200000, kCloneDetached = 0x400000, kCloneUntraced = 0x800000,
                   kCloneChildSetTid = 0x1000000, kCloneNewMask = 0x7e020080, kCloneIo = 0x80000000,
                   kCloneClearSigHand = 0x100000000, kCloneIntoCgroup = 0x200000000;

// struct clone_args; older callers pass a shorter one.
struct CloneArguments {
  uint64_t flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
};
constexpr size_t kCloneArgumentsFirst = 64;
constexpr uint64_t kCloneKnown = 0xffffffff | kCloneClearSigHand | kCloneIntoCgroup;
constexpr uint64_t kDeepestPidNamespace = 32;

CallResult clone_thread(const Call& call, const ForkRequest& request) {
  const Ref<process::Thread> thread = TRY(process::make_thread(call.thread, request));
  return static_cast<uint64_t>(thread->shown_id());
}

CallResult clone_process(const Call& call, const ForkRequest& request) {
  const Ref<Process> child = TRY(process::fork(call.thread, request));
  return static_cast<uint64_t>(child->pid());
}

Result<> check_clone_flags(uint64_t flags) {
  if (flags & (kCloneNewMask | kCloneNewNs)) return Error(Errno::Inval);   // no namespaces
  if ((flags & kCloneSigHand) && !(flags & kCloneVm)) return Error(Errno::Inval);
  if ((flags & kCloneThread) && !(flags & kCloneSigHand)) return Error(Errno::Inval);
  if ((flags & kCloneThread) && (~flags & (kCloneFs | kCloneFiles))) return Error(Errno::Inval);
  if ((flags & kCloneThread) && (flags & (kCloneVfork | kClonePidFd))) return Error(Errno::Inval);
  return {};
}

CallResult clone(const Call& call, const CloneArguments& arguments, PidNumber wanted_pid = 0) {
  const uint64_t flags = arguments.flags;
  TRY(check_clone_flags(flags));
  ForkRequest request;
  request.pid = wanted_pid;
  request.kind = (flags & kCloneVfork) && (flags & kCloneVm) ? ForkKind::Vfork
                 : (flags & (kCloneVm | kCloneFiles))        ? ForkKind::Rfork
                                                             : ForkKind::Fork;
  request.exit_signal = static_cast<int>(arguments.exit_signal);
  if (arguments.stack != 0) request.stack = arguments.stack + arguments.stack_size;
  const auto translate = [&](uint64_t clone_flag, ForkFlag fork_flag) {
    if (flags & clone_flag) request.with(fork_flag);
  };
  translate(kCloneVm, ForkFlag::ShareMemory);
  translate(kCloneFiles, ForkFlag::ShareFiles);
  translate(kCloneFs, ForkFlag::ShareFs);
  translate(kCloneSigHand, ForkFlag::ShareSignalActions);
  translate(kCloneClearSigHand, ForkFlag::ClearSignalActions);
  translate(kCloneVfork, ForkFlag::ParentWaits);
  translate(kCloneParent, ForkFlag::SiblingOfCaller);
  translate(kClonePtrace, ForkFlag::Traced);
  translate(kCloneUntraced, ForkFlag::Untraced);
  if (flags & kCloneParent) request.exit_signal = call.process().exit_signal;
  if (flags & kCloneSetTls) {
    request.set_tls = true;
    request.tls = arguments.tls;
  }
  if (flags & kCloneParentSetTid) request.set_parent_tid = arguments.parent_tid;
  if (flags & kCloneChildSetTid) request.set_child_tid = arguments.child_tid;
  if (flags & kCloneChildClearTid) request.clear_child_tid = arguments.child_tid;
  if (flags & kClonePidFd) request.store_pidfd = arguments.pidfd;
  return flags & kCloneThread ? clone_thread(call, request) : clone_process(call, request);
}

}  // namespace

CallResult sys_fork(const Call& call) { return clone_process(call, ForkRequest{}); }

CallResult sys_vfork(const Call& call) {
  ForkRequest request;
  request.kind = ForkKind::Vfork;
  request.with(ForkFlag::ParentWaits);
  if (process::fast_vfork()) request.with(ForkFlag::ShareMemory);   // E2, E3
  return clone_process(call, request);
}

CallResult sys_clone(const Call& call) {
  CloneArguments arguments{};
  arguments.flags = call.args[0] & 0xffffffff & ~uint64_t{0xff};
  arguments.exit_signal = call.args[0] & 0xff;
  arguments.stack = call.args[1];
  arguments.parent_tid = call.args[2];
  arguments.pidfd = call.args[2];
  arguments.child_tid = call.args[3];
  arguments.tls = call.args[4];
  if ((arguments.flags & kClonePidFd) && (arguments.flags & kCloneParentSetTid)) return Error(Errno::Inval);
  arguments.flags &= ~(kCloneDetached | kCloneSysVSem | kCloneIo);
  return clone(call, arguments);
}

namespace {

Result<> check_clone3(const CloneArguments& arguments, size_t size) {
  const uint64_t flags = arguments.flags;
  if (flags & (~kCloneKnown | kCloneDetached | 0x7f)) return Error(Errno::Inval);
  if (arguments.exit_signal > process::kSignalCount) return Error(Errno::Inval);
  if ((flags & (kCloneThread | kCloneParent)) && arguments.exit_signal != 0) return Error(Errno::Inval);
  if ((flags & kCloneSigHand) && (flags & kCloneClearSigHand)) return Error(Errno::Inval);
  if ((arguments.stack == 0) != (arguments.stack_size == 0)) return Error(Errno::Inval);
  if (arguments.stack > machine::kUserEnd || arguments.stack_size > machine::kUserEnd - arguments.stack)
    return Error(Errno::Inval);
  if (arguments.set_tid_size > kDeepestPidNamespace || (arguments.set_tid == 0) != (arguments.set_tid_size == 0))
    return Error(Errno::Inval);
  if (flags & kCloneIntoCgroup) {   // no descriptor is one of a control group
    if (size < sizeof(CloneArguments) || arguments.cgroup > INT32_MAX) return Error(Errno::Inval);
    return Error(Errno::BadF);
  }
  return {};
}

// Which pid the caller asks for; 0: any. There is one pid namespace, and so at most one number. Threads have no numbers to
// choose from (P10).
Result<PidNumber> wanted_pid(const Call& call, const CloneArguments& arguments) {
  if (arguments.set_tid_size == 0) return 0;
  const auto pid = TRY(vm::UserPtr<const PidNumber>(arguments.set_tid).load());
  if (arguments.set_tid_size > 1 || (arguments.flags & kCloneThread) || pid < 1 || pid > process::pid_max())
    return Error(Errno::Inval);
  const auto credentials = call.process().credentials();
  if (!credentials->capable(identity::Capability::CheckpointRestore) && !credentials->capable(identity::Capability::SysAdmin))
    return Error(Errno::Perm);
  return pid;
}

}  // namespace

CallResult sys_clone3(const Call& call) {
  const size_t size = call.args[1];
  if (size < kCloneArgumentsFirst) return Error(Errno::Inval);
  if (size > machine::kPageSize) return Error(Errno::TooBig);
  CloneArguments arguments{};
  const size_t known = std::min(size, sizeof arguments);
  TRY(vm::copy_in(&arguments, call.args[0], known));
  for (size_t offset = known; offset < size; ++offset)   // a newer caller's fields must not ask for anything
    if (TRY(vm::UserPtr<const uint8_t>(call.args[0] + offset).load()) != 0) return Error(Errno::TooBig);
  TRY(check_clone3(arguments, size));
  const PidNumber pid = TRY(wanted_pid(call, arguments));
  arguments.flags &= ~(kCloneSysVSem | kCloneIo);
  return clone(call, arguments, pid);
}

CallResult sys_exit(const Call& call) { process::exit_thread(call.thread, process::exit_code_status(call.as_int(0))); }
CallResult sys_exit_group(const Call& call) {
  process::exit_process(call.thread, process::exit_code_status(call.as_int(0)));
}

namespace {

struct TimeValue {
  int64_t seconds, microseconds;
};
// struct rusage
struct LinuxUsage {
  TimeValue user, system;
  int64_t peak_resident_kib, unused1[3], minor_faults, major_faults, unused2[6], voluntary_switches, involuntary_switches;
};
TimeValue time_value(Nanoseconds time) {
  return {static_cast<int64_t>(time / kSecond), static_cast<int64_t>(time % kSecond / kMicrosecond)};
}
Result<> store_usage(vm::UserPtr<LinuxUsage> to, const process::Usage& usage) {
  if (!to) return {};
  LinuxUsage value{};
  value.user = time_value(usage.user_time);
  value.system = time_value(usage.system_time);
  value.peak_resident_kib = static_cast<int64_t>(usage.peak_resident * (machine::kPageSize / 1_KiB));
  value.minor_faults = static_cast<int64_t>(usage.minor_faults);
  value.major_faults = static_cast<int64_t>(usage.major_faults);
  value.voluntary_switches = static_cast<int64_t>(usage.voluntary_switches);
  value.involuntary_switches = static_cast<int64_t>(usage.involuntary_switches);
  return to.store(value);
}

constexpr uint32_t kNoHang = 1, kUntraced = 2, kExited = 4, kContinued = 8, kNoWaitFlag = 0x01000000,
                   kNoThread = 0x20000000, kAll = 0x40000000, kClone = 0x80000000;

}  // namespace

CallResult sys_wait4(const Call& call) {
  const uint32_t options = call.as_unsigned(2);
  if (options & ~(kNoHang | kUntraced | kContinued | kNoThread | kAll | kClone)) return Error(Errno::Inval);
  process::WaitRequest request;
  const PidNumber pid = call.as_int(0);
  if (pid == INT32_MIN) return Error(Errno::Srch);
  request.what = pid == -1 ? process::WaitFor::Any : pid > 0 ? process::WaitFor::Pid : process::WaitFor::Group;
  request.id = pid > 0 ? pid : pid < -1 ? -pid : 0;
  request.options = options | kExited;
  const process::WaitResult result = TRY(process::wait_for_child(call.thread, request));
  if (result.pid == 0) return 0;
  if (const auto status = call.pointer<int>(1)) TRY(status.store(result.status));
  TRY(store_usage(call.pointer<LinuxUsage>(3), result.usage()));
  return static_cast<uint64_t>(result.pid);
}

process::SignalInfo to_signal_info(const process::WaitResult& result) {
  process::SignalInfo info;
  if (result.pid == 0) return info;
  info.signal = process::kSigChld;
  info.code = result.code;
  info.sender.pid = result.pid;
  info.sender.uid = result.uid;
  const int status = result.status;
  info.sender.status = (status & 0xff) == 0x7f ? status >> 8   // with the event of a traced thread
                       : status == 0xffff      ? process::kSigCont
                       : (status & 0x7f) != 0  ? status & 0x7f
                                               : status >> 8 & 0xff;
  return info;
}

CallResult sys_waitid(const Call& call) {
  const uint32_t options = call.as_unsigned(3);
  if (options & ~(kNoHang | kUntraced | kExited | kContinued | kNoWaitFlag | kNoThread | kAll | kClone) ||
      !(options & (kUntraced | kExited | kContinued)))
    return Error(Errno::Inval);
  process::WaitRequest request;
  request.options = options;
  request.id = call.as_int(1);
  Ref<Process> target;
  switch (call.as_int(0)) {
    case 0: request.what = process::WaitFor::Any; break;
    case 1:
      if (request.id <= 0) return Error(Errno::Inval);
      request.what = process::WaitFor::Pid;
      break;
    case 2:
      if (request.id < 0) return Error(Errno::Inval);
      request.what = process::WaitFor::Group;
      break;
    case 3:
      target = TRY(process::process_of_descriptor(call.process(), request.id));
      request.what = process::WaitFor::PidFd;
      request.process = target.get();
      break;
    default: return Error(Errno::Inval);
  }
  // A descriptor that must not wait says so, while WNOHANG says that nothing has happened yet.
  const bool again = target && !(options & kNoHang) && TRY(process::is_non_blocking(call.process(), request.id));
  if (again) request.options |= kNoHang;
  const process::WaitResult result = TRY(process::wait_for_child(call.thread, request));
  if (again && result.pid == 0) return Error(Errno::Again);
  if (const auto to = call.pointer<process::SignalInfo>(2)) TRY(to.store(to_signal_info(result)));
  TRY(store_usage(call.pointer<LinuxUsage>(4), result.usage()));
  return 0;
}

CallResult sys_getpid(const Call& call) { return static_cast<uint64_t>(call.process().pid()); }
CallResult sys_gettid(const Call& call) { return static_cast<uint64_t>(call.thread.shown_id()); }

CallResult sys_getppid(const Call& call) {
  return static_cast<uint64_t>(call.process().parent_pid.load(std::memory_order_relaxed));
}

CallResult sys_set_tid_address(const Call& call) {
  call.thread.clear_child_tid = call.args[0];
  return static_cast<uint64_t>(call.thread.shown_id());
}

namespace {
Result<Ref<Process>> process_or_self(const Call& call, PidNumber pid) {
  if (pid < 0) return Error(Errno::Inval);
  if (pid == 0) return Ref<Process>(&call.process());
  Ref<Process> found = process::find_process_of(pid);
  if (!found) return Error(Errno::Srch);
  return found;
}
// The group of a process that may be reaped at any moment.
Result<Ref<process::ProcessGroup>> group_of(Process& process) {
  sync::SpinGuard guard(process::tree_lock);
  if (!process.group) return Error(Errno::Srch);
  return process.group;
}
}  // namespace

CallResult sys_getpgid(const Call& call) {
  return static_cast<uint64_t>(TRY(group_of(*TRY(process_or_self(call, call.as_int(0)))))->id->number());
}
CallResult sys_getpgrp(const Call& call) { return static_cast<uint64_t>(TRY(group_of(call.process()))->id->number()); }
CallResult sys_getsid(const Call& call) {
  return static_cast<uint64_t>(TRY(group_of(*TRY(process_or_self(call, call.as_int(0)))))->session->id->number());
}
CallResult sys_setpgid(const Call& call) {
  TRY(process::set_process_group(call.process(), call.as_int(0), call.as_int(1)));
  return 0;
}
CallResult sys_setsid(const Call& call) { return static_cast<uint64_t>(TRY(process::make_session(call.process()))); }

CallResult sys_pidfd_open(const Call& call) {
  const uint32_t flags = call.as_unsigned(1);
  if ((flags & ~file::kNonBlock) != 0 || call.as_int(0) <= 0) return Error(Errno::Inval);
  Ref<Process> target = process::find_process(call.as_int(0));
  if (!target) return Error(process::find_thread(call.as_int(0)) ? Errno::Inval : Errno::Srch);
  return static_cast<uint64_t>(TRY(process::open_pidfd(call.process(), std::move(target), flags)));
}

namespace {
// By a pidfd, or by a process's directory in /proc, from the times before there were pidfds.
Result<Ref<Process>> process_to_signal(const Call& call) {
  const Ref<file::File> file = TRY(call.process().descriptors()->get(call.as_int(0)));
  if (process::is_process_descriptor(*file)) return process::process_of_descriptor(call.process(), call.as_int(0));
  return view::process_of_directory(*file);
}
}  // namespace

CallResult sys_pidfd_send_signal(const Call& call) {
  const int signal = call.as_int(1);
  if (call.args[3] != 0 || signal < 0 || signal > process::kSignalCount) return Error(Errno::Inval);
  const Ref<Process> target = TRY(process_to_signal(call));
  process::SignalInfo info = process::user_signal(signal, call.process());
  if (const auto from = call.pointer<process::SignalInfo>(2)) {
    info = TRY(from.load());
    if (info.signal != signal) return Error(Errno::Inval);
    if ((info.code >= 0 || info.code == process::kFromThreadKill) && target != &call.process()) return Error(Errno::Perm);
  }
  if (target->life.load() != process::LifeState::Alive && target->life.load() != process::LifeState::Zombie)
    return Error(Errno::Srch);
  TRY(process::signal_from(call.process(), *target, info));
  return 0;
}

CallResult sys_pidfd_getfd(const Call& call) {
  if (call.args[2] != 0) return Error(Errno::Inval);
  const Ref<Process> target = TRY(process::process_of_descriptor(call.process(), call.as_int(0)));
  Ref<file::File> file =
      TRY(process::Inspector(call.process(), process::InspectorIds::Real).file_of(*target, call.as_int(1)));
  return static_cast<uint64_t>(TRY(call.process().descriptors()->install(
      std::move(file), true, static_cast<unsigned>(call.process().limit(process::Resource::Files)))));
}

// Linux unshares for the calling thread alone, which here shares with its siblings for good. To report success would have
// it close their descriptors, or change their directory, in good faith.
Result<> unshare(const Call& call, const process::UnshareRequest& request) {
  const Result<> done = process::unshare(call.thread, request);
  return !done && done.error() == Errno::Busy ? Error(Errno::Inval) : done;
}

CallResult sys_unshare(const Call& call) {
  const uint64_t flags = call.args[0];
  if (flags & ~(kCloneFiles | kCloneFs | kCloneSysVSem)) return Error(Errno::Inval);
  if (!(flags & (kCloneFiles | kCloneFs))) return 0;
  TRY(unshare(call, {.files = flags & kCloneFiles ? process::UnshareFiles::Copy : process::UnshareFiles::Keep,
                     .directories = (flags & kCloneFs) != 0}));
  return 0;
}

}  // namespace tine::abi::linux_abi
