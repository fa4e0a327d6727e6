// SPDX-License-Identifier: BSD-2-Clause
// Resource usage and limits. Source: getrusage(2), getrlimit(2), prlimit(2).
#include "abi/linux/system.h"
#include "abi/linux/usage.h"
#include "file/descriptor_table.h"
#include "process/timers.h"
#include "sync/mutex.h"

namespace tine::abi::linux_abi {

using identity::Capability;
using process::Limit;
using process::Process;
using process::Resource;

CallResult sys_getrusage(const Call& call) {
  constexpr int kSelf = 0, kChildren = -1, kThread = 1;
  process::Usage usage;
  switch (call.as_int(0)) {
    case kSelf:
      usage = process::process_usage(call.process());
      break;
    case kChildren: {
      sync::SpinGuard guard(process::tree_lock);
      usage = call.process().children_usage;
      break;
    }
    case kThread:
      usage = process::thread_usage(call.thread);
      break;
    default:
      return Error(Errno::Inval);
  }
  TRY(call.pointer<ResourceUsage>(1).store(to_resource_usage(usage)));
  return 0;
}

namespace {

// Limits are changed by replacing the whole set; this keeps two changes at once from losing one of them.
constinit sync::Mutex limits_change{"limits"};

Result<Resource> as_resource(unsigned number) {
  if (number >= static_cast<unsigned>(Resource::kCount)) return Error(Errno::Inval);
  return static_cast<Resource>(number);
}

// Some limits are kept by whoever enforces them.
Result<> follow_limit(Process& target, Resource resource) {
  const auto limits = target.limits();
  switch (resource) {
    case Resource::Cpu:
      return process::watch_cpu_limit(target);
    case Resource::AddressSpace: case Resource::Data: case Resource::Stack:
      if (const auto space = target.address_space())
        space->set_limits({.address_space = (*limits)[Resource::AddressSpace].current,
                           .data = (*limits)[Resource::Data].current,
                           .stack = (*limits)[Resource::Stack].current});
      return {};
    default:
      return {};
  }
}

Result<> change_limit(Process& caller, Process& target, Resource resource, const Limit& wanted) {
  if (wanted.current > wanted.maximum) return Error(Errno::Inval);
  if (resource == Resource::Files && wanted.maximum > file::kMaxDescriptors) return Error(Errno::Perm);
  sync::MutexGuard guard(limits_change);
  const auto limits = target.limits();
  if (!limits) return Error(Errno::Srch);
  if (wanted.maximum > (*limits)[resource].maximum && !caller.credentials()->capable(Capability::SysResource))
    return Error(Errno::Perm);
  const auto changed = TRY(limits->clone());
  changed->values[static_cast<unsigned>(resource)] = wanted;
  target.set_limits(changed);
  return follow_limit(target, resource);
}

// prlimit(2) of another process: the same user in every respect, or privileged.
Result<> check_may_limit(const Process& caller, const Process& target) {
  if (&caller == &target) return {};
  const auto mine = caller.credentials(), theirs = target.credentials();
  const bool same_user = theirs->ruid == mine->ruid && theirs->euid == mine->ruid && theirs->suid == mine->ruid;
  const bool same_group = theirs->rgid == mine->rgid && theirs->egid == mine->rgid && theirs->sgid == mine->rgid;
  if ((same_user && same_group) || mine->capable(Capability::SysResource)) return {};
  return Error(Errno::Perm);
}

}  // namespace

CallResult sys_getrlimit(const Call& call) {
  const Resource resource = TRY(as_resource(call.as_unsigned(0)));
  TRY(call.pointer<Limit>(1).store((*call.process().limits())[resource]));
  return 0;
}

CallResult sys_setrlimit(const Call& call) {
  const Resource resource = TRY(as_resource(call.as_unsigned(0)));
  TRY(change_limit(call.process(), call.process(), resource, TRY(call.pointer<const Limit>(1).load())));
  return 0;
}

CallResult sys_prlimit64(const Call& call) {
  const process::PidNumber pid = call.as_int(0);
  const auto wanted = call.pointer<const Limit>(2);
  const auto old = call.pointer<Limit>(3);
  const Resource resource = TRY(as_resource(call.as_unsigned(1)));
  Limit given;
  if (wanted) given = TRY(wanted.load());

  const Ref<Process> target = pid == 0 ? Ref<Process>(&call.process()) : process::find_process_of(pid);
  if (!target) return Error(Errno::Srch);
  TRY(check_may_limit(call.process(), *target));
  const auto limits = target->limits();
  if (!limits) return Error(Errno::Srch);   // a zombie has none left
  if (wanted) TRY(change_limit(call.process(), *target, resource, given));
  if (old) TRY(old.store((*limits)[resource]));
  return 0;
}

}  // namespace tine::abi::linux_abi
