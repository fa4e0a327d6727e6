// SPDX-License-Identifier: BSD-2-Clause
// Thread: a flow of control in a process. Lock: the owner's Process::lock guards what is marked (P); the rest belongs to
// the thread itself while it runs.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/unordered_set_hook.hpp>

#include "base/ref.h"
#include "mem/object_cache.h"
#include "process/ids.h"
#include "process/limits.h"
#include "process/promises.h"
#include "process/signal.h"
#include "sched/thread.h"
#include "sched/wait_queue.h"

namespace tine::vm {
class AddressSpace;
}
namespace tine::file {
class LookupGuard;
}

namespace tine::process {

class Process;
struct Tracee;

// Why a thread's system calls take the slow path of dispatch: one test of the whole word in the fast one.
enum CallWatch : uint32_t {
  kWatchedByKtrace = 1,   // records them (trace/ktrace.h)
  kWatchedByTracer = 2,   // ptrace(2): stops at their entry and exit
  kWatchedByPledge = 4,   // pledge(2), unveil(2): refuses what was not promised, hides what is not in sight
  kWatchedByPins = 8,     // pinsyscalls(2): refuses those from unexpected addresses
};

struct ThreadTag;
using ThreadHook = boost::intrusive::list_base_hook<boost::intrusive::tag<ThreadTag>>;
struct ThreadIdTag;
using ThreadIdHook = boost::intrusive::unordered_set_base_hook<boost::intrusive::tag<ThreadIdTag>>;

// Destroyed when its last reference goes; the process's list holds one until the thread has ended, the scheduler one
// until its stack is free.
class Thread final : public RefCounted<Thread>, public mem::FromCache<Thread>, public sched::Thread, public ThreadHook, public ThreadIdHook {
 public:
  Thread(Ref<Process> process, mem::KernelStack stack, ThreadId id, Slot slot);
  ~Thread() override;

  Process& process() const { return *process_; }
  PidNumber shown_id() const;                 // what gettid(2) says
  const ThreadId& id() const { return id_; }
  bool is_first() const;                      // the process's main thread; its shown id is the pid
  void give_back_slot() { Slot(std::move(slot_)); }   // ended: no longer counted

  const machine::UserTop* user_top() override;
  void on_switch_in() override;
  void enter_memory() override;
  void exit_memory() override;
  // The running thread, which ends: from here on it runs in the kernel's memory alone. Whoever is left may take the
  // process's memory down, by exit or exec, before this thread is off its CPU.
  void leave_memory();
  void on_dead() override;

  // --- Signals (P) ---
  SignalSet mask;                             // changed by the thread itself through set_signal_mask
  SignalSet saved_mask;                       // sigsuspend, ppoll: what to go back to
  bool restore_saved_mask = false;
  PendingSignals pending;
  SignalSet waiting_for;                      // by set_waiting_for: taken although blocked
  AlternateStack alternate_stack;
  bool suspended = false;                     // (P) counted as stopped (job control or single-threading)

  Ref<Tracee> tracee;                         // (P) and (T) to change, either to read; null: nobody traces it

  // --- User-visible addresses, Linux ABI ---
  uintptr_t clear_child_tid = 0;              // CLONE_CHILD_CLEARTID, set_tid_address
  uintptr_t robust_list = 0;
  size_t robust_list_size = 0;
  // Nobody may wait for this thread as the owner of a futex any more (event/futex_pi.h): it ends. An exec'ed program
  // begins anew.
  std::atomic<bool> released_pi_futexes{false};

  // --- First step (process/first_step.cpp) ---
  uintptr_t set_child_tid = 0;                // CLONE_CHILD_SETTID: the thread stores its own id there
  void (*kernel_function)(void*) = nullptr;   // null: goes to user mode
  void* kernel_argument = nullptr;

  // restart_syscall(2): what to run again after a stop, with the time that is left.
  struct Restart {
    Result<uint64_t> (*function)(Thread&) = nullptr;
    uint64_t data[6] = {};
  } restart;

  uint64_t minor_faults = 0, major_faults = 0;
  // Bits of CallWatch: who looks at this thread's system calls. 0: dispatch takes its fast path.
  std::atomic<uint32_t> call_watch{0};
  bool is_watched_by(CallWatch who) const { return call_watch.load(std::memory_order_relaxed) & who; }
  // While a restricted process makes a call (process/restrictions.h): who is asked about the names that the call looks
  // up, and what it turned out to need without having promised it.
  file::LookupGuard* lookup_guard = nullptr;
  Promises violation = 0;
  bool is_system = false;                     // R14: user signals do not touch it
  bool has_left_memory = false;               // by leave_memory()
  sched::WaitQueue signal_wait{"sigwait"};    // sigtimedwait, signalfd readers

 private:
  vm::AddressSpace* address_space() const;

  const Ref<Process> process_;
  ThreadId id_;
  Slot slot_;
};

// The running thread, in a process context (not an idle thread).
inline Thread& current() { return static_cast<Thread&>(sched::current()); }

}  // namespace tine::process
