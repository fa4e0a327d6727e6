// SPDX-License-Identifier: BSD-2-Clause
// Life events: how the layers above hear of forks, execs, exits and signals (the seeds' at_fork hooks, made the
// backbone). Subscribers are called in order of registration. One that needs memory for a fork takes it in
// reserve_fork, which may fail; everything later may not. Seed rows T1-T3, T6, T8, A2.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>

#include "base/result.h"

namespace tine::process {

class Process;
class Thread;
struct ForkRequest;
struct SignalInfo;

class LifeSubscriber : public boost::intrusive::list_base_hook<> {
 public:
  // Before anything is visible. What it took it must give back in cancel_fork if a later step fails.
  virtual Result<> reserve_fork(Process& parent, const ForkRequest& request, uintptr_t& token) {
    (void)parent, (void)request, (void)token;
    return {};
  }
  virtual void cancel_fork(uintptr_t token) { (void)token; }
  // The child is complete and visible but has not run. No lock held.
  virtual void forked(Process& parent, Process& child, const ForkRequest& request, uintptr_t token) {
    (void)parent, (void)child, (void)request, (void)token;
  }
  virtual void thread_made(Thread& creator, Thread& made) { (void)creator, (void)made; }
  // The thread will not return to user mode; its address space is still there. May sleep and touch user memory.
  virtual void thread_ended(Thread& thread) { (void)thread; }
  // The thread has been given to the scheduler, which chose `cpu` for it. No lock held.
  virtual void started(Thread& thread, uint32_t cpu) { (void)thread, (void)cpu; }
  // A new thread's first step, before it goes to user mode. It may sleep.
  virtual void first_return(Thread& thread) { (void)thread; }
  // The running thread acts on a signal: a handler, or 0 for the default action. It may sleep.
  virtual void signal_taken(Thread& thread, const SignalInfo& info, uintptr_t handler) {
    (void)thread, (void)info, (void)handler;
  }
  virtual void executed(Process& process) { (void)process; }
  virtual void exited(Process& process) { (void)process; }       // before it becomes a zombie
  virtual void signalled(Process& process, int signal) { (void)process, (void)signal; }   // under Process::lock

 protected:
  ~LifeSubscriber() = default;
};

inline constexpr unsigned kMaxLifeSubscribers = 16;   // bounds the reservation's tokens
Result<> subscribe(LifeSubscriber& subscriber);       // Again when all places are taken; a second time: warned about, moved to the end
unsigned unsubscribe(LifeSubscriber& subscriber);     // how many were removed (0 or 1)

}  // namespace tine::process
