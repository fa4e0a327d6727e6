// SPDX-License-Identifier: BSD-2-Clause
// Process creation. One routine makes processes, for fork, vfork, rfork, Linux's clone and kernel processes; one makes
// threads in an existing process. System calls only translate their flags into a request. Seed rows E1-E7, R1-R15.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "process/ids.h"

namespace tine::process {

class Process;
class Thread;

enum class ForkFlag : uint32_t {
  ShareMemory = 1u << 0,       // RFMEM, FORK_SHAREVM, CLONE_VM
  ShareFiles = 1u << 1,        // neither RFFDG nor RFCFDG, FORK_SHAREFILES, CLONE_FILES
  EmptyFiles = 1u << 2,        // RFCFDG
  ShareFs = 1u << 3,           // CLONE_FS
  ShareSignalActions = 1u << 4,// RFSIGSHARE, CLONE_SIGHAND
  ClearSignalActions = 1u << 5,// CLONE_CLEAR_SIGHAND
  ParentWaits = 1u << 6,       // RFPPWAIT, FORK_PPWAIT, CLONE_VFORK
  NoWait = 1u << 7,            // RFNOWAIT: init becomes the parent
  Peer = 1u << 8,              // RFTHREAD
  Stopped = 1u << 9,           // RFSTOPPED
  HighPid = 1u << 10,          // RFHIGHPID
  NoZombie = 1u << 11,         // FORK_NOZOMBIE
  System = 1u << 12,           // FORK_SYSTEM
  Idle = 1u << 13,             // FORK_IDLE
  SiblingOfCaller = 1u << 14,  // CLONE_PARENT
  Traced = 1u << 15,           // CLONE_PTRACE: the caller's tracer traces it too
  Untraced = 1u << 16,         // CLONE_UNTRACED: not, whatever the tracer wants
};

// What a descriptor of a process is to it (process/pidfd.h).
enum class PidFdKind : uint8_t {
  Handle,   // Linux's: refers to it and nothing more
  Owner,    // pdfork's: the only way to wait for it, which dies with its last descriptor
  Daemon,   // pdfork's with PD_DAEMON: init takes the process over when the last descriptor is closed
};

// Whose counters a fork moves (T4).
enum class ForkKind : uint8_t { Fork, Vfork, Rfork, Kernel };

struct ForkRequest {
  ForkKind kind = ForkKind::Fork;
  uint32_t flags = 0;
  int exit_signal = 17;                        // SIGCHLD; 0: none
  // What differs in the child's user state; 0: as in the caller.
  uintptr_t stack = 0;                         // initial stack pointer
  uintptr_t tls = 0;
  bool set_tls = false;
  uintptr_t clear_child_tid = 0;               // CLONE_CHILD_CLEARTID
  uintptr_t set_child_tid = 0;                 // CLONE_CHILD_SETTID: written in the child's memory
  uintptr_t set_parent_tid = 0;                // CLONE_PARENT_SETTID: written in the parent's memory
  bool bad_tid_kills = false;                  // __tfork: SIGSEGV when set_parent_tid cannot be written (H2)
  PidNumber pid = 0;                           // clone3's set_tid: the child's pid; 0: any
  uintptr_t store_pidfd = 0;                   // CLONE_PIDFD, pdfork: where the descriptor's number goes
  PidFdKind pidfd_kind = PidFdKind::Handle;
  bool pidfd_close_on_exec = true;
  // Kernel processes: where to start instead of user mode (E7).
  void (*function)(void*) = nullptr;
  void* argument = nullptr;
  const char* name = nullptr;                  // what ps shows; null: as the caller
  unsigned idle_cpu = 0;                       // R15

  constexpr bool has(ForkFlag flag) const { return flags & static_cast<uint32_t>(flag); }
  constexpr ForkRequest& with(ForkFlag flag) {
    flags |= static_cast<uint32_t>(flag);
    return *this;
  }
  Result<> validate() const;
};

// Makes a process and, unless Stopped or Idle, starts it; with ParentWaits, sleeps until it execs or exits.
// Errors: Again (a table or RLIMIT_NPROC is full, no pid free), NoMem, Inval, Exist (the wanted pid is in use); RestartAlways if a signal came first (A3).
// Nothing is changed when it fails. The caller is the running thread.
Result<Ref<Process>> fork(Thread& caller, const ForkRequest& request);

// A thread in the caller's process (E5, H1-H4). `request` uses stack, tls and the tid fields.
Result<Ref<Thread>> make_thread(Thread& caller, const ForkRequest& request);

// Starts what Stopped left waiting (R10).
void start_stopped(Process& process);

// For fork(): a kernel process that runs function(argument); `name` is what ps shows and is copied. If the function
// returns, that is logged and the process exits (X1).
ForkRequest kernel_process_request(const char* name, void (*function)(void*), void* argument);

// vfork's other half: lets a waiting parent go on (exec and exit call it). No effect without kParentWaits.
void release_waiting_parent(Process& process);

// kern.fast_vfork: 1 (default) vfork shares memory (E2); 0: it copies (E3).
bool fast_vfork();
void set_fast_vfork(bool share);

// kern.forkstat (T4, T5): counts and pages by kind, and totals.
struct ForkStatistics {
  std::atomic<uint64_t> forks, vforks, rforks, threads, kernel;                      // how many
  std::atomic<uint64_t> fork_pages, vfork_pages, rfork_pages, kernel_pages;          // resident pages at that moment
  std::atomic<uint64_t> total, waited, shared_memory;
};
extern ForkStatistics fork_statistics;

}  // namespace tine::process
