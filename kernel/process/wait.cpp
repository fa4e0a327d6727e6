// SPDX-License-Identifier: BSD-2-Clause
// Waiting for children. Zombies are on a list of their own, so that wait(-1) finds one at once however many children
// live. Source: wait4(2), waitid(2). Seed rows K1, R7, R13.
#include "process/exit.h"
#include "process/process.h"
#include "process/reap.h"
#include "process/thread.h"

namespace tine::process {

namespace {

constexpr uint32_t kNoHang = 1, kWantStopped = 2, kWantExited = 4, kWantContinued = 8, kNoReap = 0x01000000,
                   kWantAll = 0x40000000, kWantClone = 0x80000000;
constexpr int kCldExited = 1, kCldKilled = 2, kCldDumped = 3, kCldStopped = 5, kCldContinued = 6;

class ChildSearch {
 public:
  ChildSearch(Process& parent, const WaitRequest& request) : parent_(parent), request_(request) {}

  // True: there is an answer, in `result`: a child's change, or an error. A single process is found by its number; else
  // each child is looked at at most once.
  bool look(Result<WaitResult>& result) {
    const Ref<Process> wanted = request_.what == WaitFor::Pid ? find_process(request_.id) : Ref<Process>(request_.process);
    Reaped reaped;   // released after the lock
    sync::SpinGuard guard(tree_lock);
    bool any = false;
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
    switch (request_.what) {
      case WaitFor::Any:
      case WaitFor::Pid:
      case WaitFor::PidFd: break;
      case WaitFor::Group:
        if (child.group->id->number() != (request_.id == 0 ? parent_.group->id->number() : request_.id)) return false;
        break;
    }
    const bool clone_child = child.exit_signal != kSigChld;
    return (request_.options & kWantAll) != 0 || clone_child == ((request_.options & kWantClone) != 0);
  }

  WaitResult report(const Process& child, int status, int code) const {
    WaitResult result;
    result.pid = child.pid();
    result.uid = child.credentials()->ruid;
    result.status = status;
    result.code = code;
    result.usage = child.usage;
    result.usage.add(child.children_usage);
    return result;
  }

  WaitResult report_end(const Process& child) const {
    const int status = child.exit_status;
    return report(child, status, (status & 0x7f) == 0 ? kCldExited : (status & 0x80) != 0 ? kCldDumped : kCldKilled);
  }

  bool report_change(Process& child, Result<WaitResult>& result, Reaped& reaped) REQUIRES(tree_lock) {
    if (child.life.load() != LifeState::Zombie) return report_stop(child, result);
    if ((request_.options & kWantExited) == 0) return false;
    result = report_end(child);
    if ((request_.options & kNoReap) != 0) return true;
    parent_.children_usage.add(result->usage);
    parent_.zombies.erase(parent_.zombies.iterator_to(child));
    reaped.take(child);
    return true;
  }

  bool report_stop(Process& child, Result<WaitResult>& result) const {
    int status = 0, code = 0;
    {
      sync::SpinGuard guard(child.lock);
      const bool keep = (request_.options & kNoReap) != 0;
      if ((request_.options & kWantStopped) != 0 && child.stop_state == StopState::Stopped && !child.stop_reported) {
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
  const WaitRequest& request_;
};

}  // namespace

Result<WaitResult> wait_for_child(Thread& caller, const WaitRequest& request) {
  ChildSearch search(caller.process(), request);
  Result<WaitResult> result;
  if (search.look(result)) return result;
  if (request.options & kNoHang) return WaitResult{};
  TRY(sched::wait_until(caller.process().child_wait, {"wait"}, [&] { return search.look(result); }));
  return result;
}

}  // namespace tine::process
