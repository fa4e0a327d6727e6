// SPDX-License-Identifier: BSD-2-Clause
// Whose scheduling a program may look at and change. Source: sched(7), setpriority(2).
#pragma once

#include "abi/linux/syscall.h"
#include "process/limits.h"

namespace tine::abi::linux_abi {

// The thread with this id; 0: the caller. Srch.
inline Result<Ref<process::Thread>> thread_by_id(const Call& call, int id) {
  if (id == 0) return Ref<process::Thread>(&call.thread);
  auto thread = process::find_thread(id);
  if (thread == nullptr) return Error(Errno::Srch);
  return thread;
}

// An effective user id of the caller that is the target's real or effective one, or CAP_SYS_NICE.
inline bool may_change(const Call& call, const process::Process& target) {
  const auto own = call.process().credentials();
  const auto other = target.credentials();
  return own->euid == other->euid || own->euid == other->ruid || own->capable(identity::Capability::SysNice);
}

// Whether `target` may be given this nice value: raising it is free, lowering it down to RLIMIT_NICE's.
inline bool may_set_nice(const Call& call, const process::Thread& target, int nice) {
  if (nice >= target.priority.nice) return true;
  const uint64_t limit = target.process().limit(process::Resource::Nice);
  return static_cast<uint64_t>(20 - nice) <= limit ||
         call.process().credentials()->capable(identity::Capability::SysNice);
}

}  // namespace tine::abi::linux_abi
