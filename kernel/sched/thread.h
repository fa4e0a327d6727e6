// SPDX-License-Identifier: BSD-2-Clause
// The schedulable part of a thread. process::Thread derives from it; kernel idle threads are plain ones.
// Locks: the fields marked (R) belong to the run-queue lock of the CPU that the thread is on; the state machine is
// driven only by scheduler.cpp.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstdint>

#include "base/units.h"
#include "machine/context.h"
#include "machine/cpu.h"
#include "machine/paging.h"
#include "mem/fault_injection.h"
#include "mem/kernel_stack.h"
#include "sched/kernel_time.h"
#include "sync/lock_order.h"

namespace tine::sched {

using machine::CpuSet;
inline constexpr CpuSet kAllCpus = ~CpuSet{0};

// Embryo -> Runnable <-> Running -> Sleeping -> Runnable ...; Running -> Dead. Only set_state() changes it, and checks.
enum class ThreadState : uint8_t { Embryo, Runnable, Running, Sleeping, Dead };

// Scheduling parameters, inherited by fork (seed row C13).
struct Priority {
  int8_t nice = 0;             // -20 ... 19
  uint8_t policy = 0;          // SCHED_OTHER 0, SCHED_FIFO 1, SCHED_RR 2, SCHED_BATCH 3, SCHED_IDLE 5
  uint8_t realtime = 0;        // 1 ... 99 for FIFO and RR
  friend bool operator==(const Priority&, const Priority&) = default;
};

// Bits of Thread::user_work: reasons to enter return_to_user's slow path.
enum UserWork : uint32_t {
  kWorkReschedule = 1,   // somebody else should run
  kWorkSignal = 2,       // signals, stops, exit: process/ looks
  kWorkTrace = 4,        // system-call stops and records
};

class Thread {
 public:
  Thread(const char* name, mem::KernelStack stack);
  virtual ~Thread();
  Thread(const Thread&) = delete;
  Thread& operator=(const Thread&) = delete;

  // What the context switch needs to know from the layers above: the user half to load; null: none (kernel thread).
  virtual const machine::UserTop* user_top() { return nullptr; }
  // Runs on each switch to this thread, interrupts off (seeds S3, S4: clocks of the process).
  virtual void on_switch_in() {}
  // On switches between threads with different user halves, interrupts off: before this thread's is loaded, and after
  // another than its own is.
  virtual void enter_memory() {}
  virtual void exit_memory() {}
  // After the last switch away from a Dead thread: its stack is free to go. Runs on another thread, may not sleep.
  virtual void on_dead() = 0;

  uintptr_t stack_top() const { return stack_.top(); }
  machine::TrapFrame& frame() { return machine::user_frame(stack_top()); }

  // Sets bits of user_work and makes sure that the thread sees them soon, wherever it runs.
  void request_work(uint32_t bits);
  void clear_work(uint32_t bits) { user_work.fetch_and(~bits, std::memory_order_acq_rel); }

  std::atomic<uint32_t> user_work{0};          // the machine tests it on each return to user mode
  machine::Context context;
  machine::UserState user_state;
  std::atomic<ThreadState> state{ThreadState::Embryo};
  std::atomic<uint32_t> cpu{0};                // where it runs, ran last, or is queued; changed under that queue's lock
  std::atomic<bool> on_cpu{false};             // its stack is in use until the switch away is complete
  bool is_idle = false;                        // a CPU's idle thread: never queued
  // Asked to end, by exit_group, exec or a fatal signal; process/ sets it. Long calls break off.
  std::atomic<bool> exiting{false};
  std::atomic<CpuSet> affinity{kAllCpus};
  Priority priority;                           // (R)
  // (R) The fair queue's key: weighted ns, on the scale of the run queue of `cpu` while the thread runs, is queued or
  // sleeps; relative to a queue's minimum (a signed number) in an embryo and on the way between two queues.
  uint64_t virtual_runtime = 0;
  uint64_t estcpu = 0;                         // recent CPU use in ns, halved each second; inherited (C13)
  Nanoseconds estcpu_halved_at = 0;
  Nanoseconds runtime = 0;                     // CPU time used so far; complete up to the last switch
  Nanoseconds user_time = 0, system_time = 0;  // runtime, split by what ticks have seen lately; their sum is runtime
  uint16_t user_share = 256;                   // in 1/256: how much of its time is user time; moved by ticks
  Nanoseconds switched_in_at = 0;              // (R) while it runs: up to when runtime is complete
  Nanoseconds slice_start = 0;                 // (R) when it last got the CPU
  uint64_t voluntary_switches = 0, involuntary_switches = 0;
  std::atomic<const char*> wait_name{nullptr}; // why it sleeps: "ppwait", "futex", ...; what ps shows
  std::atomic<bool> interruptible{false};      // in a sleep that signals end
  std::atomic<bool> park_token{false};         // sync/park.h
  mem::FailNth fail_nth;
  [[no_unique_address]] sync::HeldLocks held_locks;  // debug kernels: sleeping locks
  [[no_unique_address]] KernelTime kernel_time;      // debug kernels
  void (*entry)(void*) = nullptr;              // see prepare_thread
  void* entry_argument = nullptr;
  char name[16] = {};

  boost::intrusive::list_member_hook<> queue_hook;  // (R)
  boost::intrusive::set_member_hook<> fair_hook;    // (R)

 private:
  mem::KernelStack stack_;
};

inline Thread& current() { return *static_cast<Thread*>(machine::current_thread()); }

}  // namespace tine::sched
