// SPDX-License-Identifier: BSD-2-Clause
// The walks go over all processes by number and hold tree_lock for one of them at a time, so that a large tree delays
// nobody. What is born or dies meanwhile may be missed, as in FreeBSD.
#include "abi/bsd/reaper.h"

#include "process/reaper.h"

namespace tine::abi::bsd {

using process::PidNumber;
using process::Process;

namespace {

constexpr int kReapAcquire = 2, kReapRelease = 3, kReapStatus = 4, kReapGetPids = 5, kReapKill = 6;   // PROC_REAP_*

struct ReaperStatus {   // struct procctl_reaper_status
  static constexpr uint32_t kOwned = 1, kRealInit = 2;
  uint32_t flags, children, descendants;
  PidNumber reaper, first_child;
  uint32_t padding[15];
};
struct ReaperPidInfo {   // struct procctl_reaper_pidinfo
  static constexpr uint32_t kValid = 1, kChild = 2, kReaper = 4, kZombie = 8;
  PidNumber pid, subtree;
  uint32_t flags, padding[15];
};
struct ReaperPids {   // struct procctl_reaper_pids
  uint32_t count, padding[15];
  uint64_t pids;
};
struct ReaperKill {   // struct procctl_reaper_kill
  static constexpr uint32_t kChildren = 1, kSubtree = 2;
  int32_t signal;
  uint32_t flags;
  PidNumber subtree;
  uint32_t killed;
  PidNumber failed;
  uint32_t padding[15];
};

Ref<Process> reaper_above(Process& process) {
  sync::SpinGuard guard(process::tree_lock);
  return Ref<Process>(&process::nearest_reaper(process));
}

ReaperPidInfo describe(const Process& process, const Process& reaper) REQUIRES(process::tree_lock) {
  ReaperPidInfo info{};
  info.pid = process.pid();
  info.subtree = process::branch_of(process, reaper);
  info.flags = ReaperPidInfo::kValid;
  if (process.parent == &reaper) info.flags |= ReaperPidInfo::kChild;
  if (process::is_reaper(process)) info.flags |= ReaperPidInfo::kReaper;
  if (process.life.load() == process::LifeState::Zombie) info.flags |= ReaperPidInfo::kZombie;
  return info;
}

enum class Which : uint8_t { Own, All };   // Own: without those of reapers below it

// visit(process, info) -> Result<bool>, false to end, for each descendant of the reaper. No lock held.
template <class Visit>
Result<> for_each_descendant(const Process& reaper, Which which, Visit&& visit) {
  PidNumber after = 0;
  while (const Ref<Process> each = process::next_process(after)) {
    after = each->pid();
    ReaperPidInfo info;
    {
      sync::SpinGuard guard(process::tree_lock);
      const bool wanted = which == Which::All ? process::descends_from(*each, reaper) : process::belongs_to(*each, reaper);
      if (!wanted) continue;
      info = describe(*each, reaper);
    }
    if (!TRY(visit(*each, info))) break;
  }
  return {};
}

Result<> acquire(Process& caller) {
  // What descends from it already is from now on its own too, as in Linux and not in FreeBSD.
  return process::set_reaper(caller, true) ? Result<>() : Error(Errno::Busy);
}

Result<> release(Process& caller) {
  if (caller.pid() == 1 || !process::set_reaper(caller, false)) return Error(Errno::Inval);
  // What it has adopted stays with it until it ends; what is orphaned from now on goes to the next reaper above.
  return {};
}

Result<> status(Process& subject, vm::UserPtr<ReaperStatus> to) {
  const Ref<Process> reaper = reaper_above(subject);
  ReaperStatus status{};
  status.reaper = reaper->pid();
  status.first_child = -1;
  if (reaper == &subject) status.flags |= ReaperStatus::kOwned;
  if (reaper->pid() == 1) status.flags |= ReaperStatus::kRealInit;
  TRY(for_each_descendant(*reaper, Which::Own, [&](const Process&, const ReaperPidInfo& info) -> Result<bool> {
    ++status.descendants;
    if (info.flags & ReaperPidInfo::kChild) {
      ++status.children;
      if (status.first_child == -1) status.first_child = info.pid;
    }
    return true;
  }));
  return to.store(status);
}

Result<> get_pids(Process& subject, vm::UserPtr<ReaperPids> request) {
  const ReaperPids wanted = TRY(request.load());
  const vm::UserPtr<ReaperPidInfo> to(wanted.pids);
  const Ref<Process> reaper = reaper_above(subject);
  uint32_t count = 0;
  TRY(for_each_descendant(*reaper, Which::Own, [&](const Process&, const ReaperPidInfo& info) -> Result<bool> {
    if (count == wanted.count) return false;
    TRY((to + count++).store(info));
    return true;
  }));
  if (count < wanted.count) TRY((to + count).store(ReaperPidInfo{}));   // not valid: the end
  return {};
}

Result<> kill(Process& caller, vm::UserPtr<ReaperKill> request) {
  ReaperKill order = TRY(request.load());
  if (order.signal < 1 || order.signal > process::kSignalCount) return Error(Errno::Inval);
  if (order.flags & ~(ReaperKill::kChildren | ReaperKill::kSubtree)) return Error(Errno::Inval);
  if (order.flags == (ReaperKill::kChildren | ReaperKill::kSubtree)) return Error(Errno::Inval);
  const Ref<Process> reaper = reaper_above(caller);
  order.killed = 0;
  order.failed = -1;
  Errno error = Errno::Srch;
  TRY(for_each_descendant(*reaper, Which::All, [&](Process& each, const ReaperPidInfo& info) -> Result<bool> {
    if ((order.flags & ReaperKill::kChildren) && !(info.flags & ReaperPidInfo::kChild)) return true;
    if ((order.flags & ReaperKill::kSubtree) && info.subtree != order.subtree) return true;
    if (info.flags & ReaperPidInfo::kZombie) return true;
    if (const Result<> sent = process::signal_from(caller, each, process::user_signal(order.signal, caller)); sent) {
      ++order.killed;
    } else if (order.failed == -1) {
      order.failed = info.pid;
      error = sent.error();
    }
    return true;
  }));
  TRY(request.store(order));
  return order.killed != 0 ? Result<>() : Error(error);
}

}  // namespace

CallResult sys_procctl(const Call& call) {
  if (call.as_int(0) != 1) return Error(Errno::Inval);   // P_PID, as waitid(2) has it
  Process& caller = call.process();
  const PidNumber pid = call.as_int(1);
  const int command = call.as_int(2);
  Ref<Process> subject(&caller);
  if (pid != 0 && pid != caller.pid()) {
    subject = process::find_process(pid);
    if (!subject) return Error(Errno::Srch);
    if (command == kReapAcquire || command == kReapRelease || command == kReapKill) return Error(Errno::Perm);
  }
  switch (command) {
    case kReapAcquire: TRY(acquire(caller)); return 0;
    case kReapRelease: TRY(release(caller)); return 0;
    case kReapStatus: TRY(status(*subject, call.pointer<ReaperStatus>(3))); return 0;
    case kReapGetPids: TRY(get_pids(*subject, call.pointer<ReaperPids>(3))); return 0;
    case kReapKill: TRY(kill(caller, call.pointer<ReaperKill>(3))); return 0;
    default: return Error(Errno::Inval);
  }
}

}  // namespace tine::abi::bsd
