// SPDX-License-Identifier: BSD-2-Clause
// getpriority(2), setpriority(2), sched_setaffinity(2), sched_getaffinity(2), getcpu(2).
#include <algorithm>

#include "abi/linux/sched.h"
#include "abi/linux/sched_permission.h"
#include "process/process.h"
#include "sched/scheduler.h"

namespace tine::abi::linux_abi {

using process::Process;
using process::Thread;
using sched::CpuSet;

namespace {

enum Which : int { kProcess = 0, kGroup = 1, kUser = 2 };

// What the caller may do to the threads of a process; found out before its lock is taken.
struct Rights {
  bool change = false;
  int lowest_nice = 19;
};
Rights rights_over(const Call& call, const Process& process) {
  if (call.process().credentials()->capable(identity::Capability::SysNice)) return {true, -20};
  const auto limit = static_cast<int>(std::min<uint64_t>(process.limit(process::Resource::Nice), 40));
  return {may_change(call, process), 20 - limit};
}

bool is_member(const Process& process, const process::ProcessGroup& group) {
  sync::SpinGuard guard(process::tree_lock);
  return process.group.get() == &group;
}

// Calls function(Thread&, const Rights&) for all threads that (which, who) names. Srch when there are none;
// Inval.
template <class Function>
Result<> for_each_named(const Call& call, int which, int who, Function&& function) {
  bool found = false;
  const auto visit = [&](Process& process) {
    const Rights rights = rights_over(call, process);
    sync::SpinGuard guard(process.lock);
    for (Thread& thread : process.threads) {
      found = true;
      function(thread, rights);
    }
  };
  // Every process that `wanted` says: a group or a user may have any number, which come and go meanwhile.
  const auto visit_processes = [&](auto&& wanted) {
    for (Ref<Process> process = process::next_process(0); process != nullptr;
         process = process::next_process(process->pid()))
      if (process->life.load() == process::LifeState::Alive && wanted(*process)) visit(*process);
  };

  switch (which) {
    case kProcess: {  // on Linux a single thread
      const auto thread = TRY(thread_by_id(call, who));
      function(*thread, rights_over(call, thread->process()));
      return {};
    }
    case kGroup: {
      Ref<process::ProcessGroup> group;
      if (who == 0) {
        sync::SpinGuard guard(process::tree_lock);
        group = call.process().group;
      } else {
        group = process::find_group(who);
      }
      if (group != nullptr) visit_processes([&](Process& process) { return is_member(process, *group); });
      break;
    }
    case kUser: {
      const auto uid = who == 0 ? call.process().credentials()->ruid : static_cast<identity::Uid>(who);
      visit_processes([&](Process& process) { return process.credentials()->ruid == uid; });
      break;
    }
    default:
      return Error(Errno::Inval);
  }
  if (!found) return Error(Errno::Srch);
  return {};
}

}  // namespace

// The most urgent of them, as 40 ... 1: a system call's result cannot be negative.
CallResult sys_getpriority(const Call& call) {
  int most_urgent = 19;
  TRY(for_each_named(call, call.as_int(0), call.as_int(1), [&](const Thread& thread, const Rights&) {
    most_urgent = std::min<int>(most_urgent, thread.priority.nice);
  }));
  return static_cast<uint64_t>(20 - most_urgent);
}

CallResult sys_setpriority(const Call& call) {
  const int nice = std::clamp(call.as_int(2), -20, 19);
  Errno error{};
  TRY(for_each_named(call, call.as_int(0), call.as_int(1), [&](Thread& thread, const Rights& rights) {
    sched::Priority before, after;
    do {
      before = after = thread.priority;
      if (!rights.change || (nice < before.nice && nice < rights.lowest_nice)) {
        error = rights.change ? Errno::Acces : Errno::Perm;
        return;
      }
      after.nice = static_cast<int8_t>(nice);
    } while (!sched::replace_priority(thread, before, after));
  }));
  if (error != Errno{}) return Error(error);
  return 0;
}

// --- CPUs ---

namespace {

constexpr size_t kMaskBytes = sizeof(uint64_t);  // what the kernel has; programs may pass more or less

CpuSet running_cpus() {
  const unsigned count = machine::cpu_count();
  return count >= sizeof(CpuSet) * 8 ? sched::kAllCpus : (CpuSet{1} << count) - 1;
}

}  // namespace

CallResult sys_sched_setaffinity(const Call& call) {
  uint64_t mask = 0;
  TRY(vm::copy_in(&mask, call.args[2], std::min<size_t>(call.as_unsigned(1), kMaskBytes)));
  const auto target = TRY(thread_by_id(call, call.as_int(0)));
  if (!may_change(call, target->process())) return Error(Errno::Perm);
  TRY(sched::set_affinity(*target, static_cast<CpuSet>(mask) & running_cpus()));
  return 0;
}

CallResult sys_sched_getaffinity(const Call& call) {
  const unsigned size = call.as_unsigned(1);
  if (size < kMaskBytes || size % sizeof(uint64_t) != 0) return Error(Errno::Inval);
  const auto target = TRY(thread_by_id(call, call.as_int(0)));
  TRY(call.pointer<uint64_t>(2).store(target->affinity.load() & running_cpus()));
  return kMaskBytes;
}

CallResult sys_getcpu(const Call& call) {
  if (const auto cpu = call.pointer<uint32_t>(0)) TRY(cpu.store(machine::cpu_id()));
  if (const auto node = call.pointer<uint32_t>(1)) TRY(node.store(0));
  return 0;
}

}  // namespace tine::abi::linux_abi
