// SPDX-License-Identifier: BSD-2-Clause
// Waiting for children. Zombies are on a list of their own, so that wait(-1) finds one at once however many children
// live. A process also waits for the threads that it traces: for their stops, whatever it asks for, and their ends.
// Source: wait4(2), waitid(2), ptrace(2). Seed rows K1, K4, R7, R13.
#include "process/exit.h"
#include "process/parent_thread.h"
#include "process/process.h"
#include "process/reap.h"
#include "process/thread.h"
#include "process/tracing.h"

namespace tine::process {

namespace {

constexpr uint32_t kNoHang = 1, kWantStopped = 2, kWantExited = 4, kWantContinued = 8, kNoReap = 0x01000000,
                   kOwnThread = 0x20000000, kWantAll = 0x40000000, kWantClone = 0x80000000;
constexpr int kCldExited = 1, kCldKilled = 2, kCldDumped = 3, kCldTrapped = 4, kCldStopped = 5, kCldContinued = 6;

class ChildSearch {
 public:
  ChildSearch(Thread& caller, const WaitRequest& request)
      : parent_(caller.process()), caller_id_(caller.shown_id()), request_(request) {}

  // True: there is an answer, in `result`: a child's change, or an error. A single process is found by its number; else
  // each child is looked at at most once.
  bool look(Result<WaitResult>& result) {
    const Ref<Process> wanted = request_.what == WaitFor::Pid ? find_process(request_.id) : Ref<Process>(request_.process);
    Reaped reaped;   // released after the lock
    sync::SpinGuard guard(tree_lock);
    bool any = false;
    for (Tracee& tracee : parent_.tracees) {
      if (!eligible(tracee)) continue;
      any = true;
      if (report_tracee(tracee, result, reaped)) return true;
    }
    if (request_.what == WaitFor::Pid || request_.what == WaitFor::PidFd) {
      if (wanted && wanted->parent == &parent_ && eligible(*wanted)) {
        any = true;
        if (report_change(*wanted, result, reaped)) return true;
      }
    } else {
      for (Process& child : parent_.zombies) {
        if (!eligible(child)) continue;
        any = true;
        if (report_change(child, result, reaped)) return true;
      }
      const bool stops = (request_.options & (kWantStopped | kWantContinued)) != 0 && unreported_stops.load() != 0;
      for (Process& child : parent_.children) {
        if (!eligible(child)) continue;
        any = true;
        if (!stops) break;
        if (report_change(child, result, reaped)) return true;
      }
    }
    if (any) return false;
    result = Error(Errno::Child);
    return true;
  }

 private:
  bool eligible(const Process& child) const REQUIRES(tree_lock) {
    const bool is_named = request_.what == WaitFor::Pid || request_.what == WaitFor::PidFd;
    if ((request_.options & kOwnThread) != 0 && parent_thread_of(child) != caller_id_) return false;
    if (child.has(kByDescriptor)) return is_named;
    if (request_.what == WaitFor::Group &&
        child.group->id->number() != (request_.id == 0 ? parent_.group->id->number() : request_.id))
      return false;
    const bool clone_child = child.exit_signal != kSigChld;
    return (request_.options & kWantAll) != 0 || clone_child == ((request_.options & kWantClone) != 0);
  }

  // Tracees are waited for whatever they signal at their end, and each thread by its id.
  bool eligible(const Tracee& tracee) const REQUIRES(tree_lock) {
    const Process& process = tracee.thread->process();
    switch (request_.what) {
      case WaitFor::Any: return true;
      case WaitFor::Pid: return tracee.told_id() == request_.id;
      case WaitFor::PidFd: return request_.process == &process && tracee.thread->is_first();
      case WaitFor::Group: break;
    }
    const PidNumber wanted = request_.id == 0 ? parent_.group->id->number() : request_.id;
    return process.group != nullptr && process.group->id->number() == wanted;
  }

  WaitResult report(const Process& child, int status, int code) const {
    WaitResult result;
    result.pid = child.pid();
    result.uid = child.credentials()->ruid;
    result.status = status;
    result.code = code;
    result.own_usage = child.usage;
    result.children_usage = child.children_usage;
    return result;
  }

  WaitResult report_end(const Process& child, int status) const {
    return report(child, status, (status & 0x7f) == 0 ? kCldExited : (status & 0x80) != 0 ? kCldDumped : kCldKilled);
  }

  // A zombie that this process traces: its own child's, which is reaped, or another's, which gets it back (K4).
  void take_zombie(Tracee& tracee, Process& process, Reaped& reaped) REQUIRES(tree_lock) {
    reaped.take(tracee);
    if (process.parent != &parent_) return give_to_parent(process, reaped);
    reaped.take(process);
  }

  bool report_tracee(Tracee& tracee, Result<WaitResult>& result, Reaped& reaped) REQUIRES(tree_lock) {
    Process& process = tracee.thread->process();
    const bool keep = (request_.options & kNoReap) != 0;
    if (tracee_of_zombie(process) == &tracee) {
      if ((request_.options & kWantExited) == 0) return false;
      result = report_end(process, process.exit_status);
      if (keep) return true;
      if (process.parent == &parent_) parent_.children_usage.add(result->usage());
      take_zombie(tracee, process, reaped);
      return true;
    }
    bool ended = false;
    int status = 0, code = 0;
    {
      sync::SpinGuard guard(process.lock);
      ended = tracee.state == Tracee::State::Ended;
      if (tracee.reported || (ended && (request_.options & kWantExited) == 0)) return false;
      const bool with_process = tracee.stop.reason == StopReason::Group || tracee.stop.event == TraceEvent::Stop;
      status = ended ? tracee.exit_status : static_cast<int>(tracee.stop_code << 8 | 0x7f);
      code = with_process ? kCldStopped : kCldTrapped;
      if (!keep) tracee.reported = true;
    }
    result = ended ? report_end(process, status) : report(process, status, code);
    result->pid = tracee.told_id();
    if (ended && !keep) reaped.take(tracee);
    return true;
  }

  bool report_change(Process& child, Result<WaitResult>& result, Reaped& reaped) REQUIRES(tree_lock) {
    if (child.life.load() != LifeState::Zombie) return report_stop(child, result);
    if ((request_.options & kWantExited) == 0 || tracee_of_zombie(child) != nullptr) return false;
    result = report_end(child, child.exit_status);
    if ((request_.options & kNoReap) != 0) return true;
    parent_.children_usage.add(result->usage());
    reaped.take(child);
    return true;
  }

  bool report_stop(Process& child, Result<WaitResult>& result) const REQUIRES(tree_lock) {
    if (unreported_stops.load() == 0) return false;
    int status = 0, code = 0;
    const bool told_as_tracer = traces(parent_, child);
    {
      sync::SpinGuard guard(child.lock);
      const bool keep = (request_.options & kNoReap) != 0;
      if ((request_.options & kWantStopped) != 0 && !told_as_tracer && child.stop_state == StopState::Stopped && !child.stop_reported) {
        status = child.stop_signal << 8 | 0x7f;
        code = kCldStopped;
        if (!keep) child.note_reported(child.stop_reported);
      } else if ((request_.options & kWantContinued) != 0 && !child.continue_reported) {
        status = 0xffff;
        code = kCldContinued;
        if (!keep) child.note_reported(child.continue_reported);
      } else {
        return false;
      }
    }
    result = report(child, status, code);
    return true;
  }

  Process& parent_;
  const PidNumber caller_id_;
  const WaitRequest& request_;
};

}  // namespace

Usage WaitResult::usage() const {
  Usage sum = own_usage;
  sum.add(children_usage);
  return sum;
}

Result<WaitResult> wait_for_child(Thread& caller, const WaitRequest& request) {
  ChildSearch search(caller, request);
  Result<WaitResult> result;
  if (request.options & kNoHang) return search.look(result) ? result : WaitResult{};
  TRY(sched::wait_until(caller.process().child_wait, {"wait"}, [&] { return search.look(result); }));
  return result;
}

}  // namespace tine::process
