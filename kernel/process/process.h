// SPDX-License-Identifier: BSD-2-Clause
// Process: what threads run in. Everything large that it owns is a tree shared by its root (R1); everything else is
// reference-counted and copied on write.
//
// Locks, in order: tree_lock (links between processes, groups, sessions, life state) -> Process::lock (threads, signals,
// shared parts' pointers, timers) -> ids lock, SignalActions' lock, run-queue locks. All are spinlocks. Fields are
// marked (T) or (P) by the lock that guards them; constant and atomic ones are not marked.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>

#include "base/ref.h"
#include "file/descriptor_table.h"
#include "file/fs_context.h"
#include "identity/credentials.h"
#include "mem/buffer.h"
#include "mem/object_cache.h"
#include "process/group.h"
#include "process/ids.h"
#include "process/limits.h"
#include "process/restrictions.h"
#include "process/signal.h"
#include "process/thread.h"
#include "process/usage.h"
#include "sched/wait_queue.h"
#include "vm/address_space.h"

namespace tine::process {

// Links between processes: parents, children, groups, sessions, life states. Short sections only.
extern sync::Spinlock tree_lock;

// Embryo -> Alive -> Zombie -> Reaped; only set_life_state() changes it, under tree_lock, and checks the step.
enum class LifeState : uint8_t { Embryo, Alive, Zombie, Reaped };

enum ProcessFlag : uint32_t {
  kSetId = 1u << 0,              // PS_SUGID: changed ids since exec
  kSetIdExec = 1u << 1,          // PS_SUGIDEXEC: the program was set-id
  kPledged = 1u << 2,            // PS_PLEDGE
  kExecPledged = 1u << 3,        // PS_EXECPLEDGE
  kWxNeeded = 1u << 4,           // PS_WXNEEDED
  kChrooted = 1u << 5,           // PS_CHROOT
  kControllingTerminal = 1u << 6,// PS_CONTROLT
  kPinned = 1u << 7,             // PS_PIN: inherited with the table of pins (C10)
  kInheritedFlags = kSetId | kSetIdExec | kPledged | kExecPledged | kWxNeeded | kChrooted,   // C6
  kParentWaits = 1u << 8,        // PS_PPWAIT: the parent sleeps until this process execs or exits
  kNoZombie = 1u << 9,           // PS_NOZOMBIE (R13)
  kSystem = 1u << 10,            // PS_SYSTEM (R14)
  kProfiling = 1u << 11,         // PS_PROFIL
  kExiting = 1u << 12,           // exit_group or a fatal signal has begun
  kExecuted = 1u << 13,          // has called exec since it was forked
  kForked = 1u << 14,            // AFORK for accounting (T6)
  kInheritedByLinux = 3u << 16,  // what Linux adds to C6: no_new_privs and dumpable follow the program, not the process
  kNoNewPrivileges = 1u << 16,
  kDumpable = 1u << 17,
  kNoWait = 1u << 18,            // RFNOWAIT
  kTraced = 1u << 19,            // one of its threads at least
  kLibcPinned = 1u << 20,        // PS_LIBCPIN: pinsyscalls has been called
  kTimerStalled = 1u << 22,      // a timer at least has waited for its signal to be taken
  kByDescriptor = 1u << 21,      // pdfork's: its creator waits for it by its descriptor or pid alone
  kTellsOfThreadsEnd = 1u << 23, // a child of it has, or had, a parent-death signal
};

struct StackPart {               // of the stack that a program found when it started
  uintptr_t start = 0;
  size_t size = 0;
};

struct ArgumentBlock : RefCounted<ArgumentBlock>, mem::FromCache<ArgumentBlock> {   // C3
  mem::Buffer<char> text;        // NUL-separated argv, as /proc/PID/cmdline shows it
  // The program may have written other things there since.
  StackPart environment;         // the strings
  StackPart auxiliary;           // the pairs of numbers, the end mark included
};

struct Tracee;                   // process/tracee.h
struct TraceeTag;
using TraceeHook = boost::intrusive::list_base_hook<boost::intrusive::tag<TraceeTag>>;
using ProcessTracees = boost::intrusive::list<Tracee, boost::intrusive::base_hook<TraceeHook>,
                                              boost::intrusive::constant_time_size<false>>;

enum class StopState : uint8_t { Running, Stopping, Stopped };

struct SiblingTag;
struct AllTag;
template <class Tag>
using ProcessHook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>>;
class Process;
template <class Tag>
using ProcessList = boost::intrusive::list<Process, boost::intrusive::base_hook<ProcessHook<Tag>>,
                                           boost::intrusive::constant_time_size<false>>;

// From which child of a reaper a process descends: fixed when the first of the branch was forked.
struct ReaperBranch {
  uint64_t reaper = 0;           // its reaper_number; of one that is no reaper any more, it says nothing
  PidNumber child = 0;
};

class Process final : public RefCounted<Process>,
                      public mem::FromCache<Process>,
                      public ProcessHook<SiblingTag>,
                      public GroupMember,
                      public ProcessHook<AllTag> {
 public:
  Process(Ref<Pid> pid, Slot slot, UserCharge charge);
  ~Process();

  PidNumber pid() const { return pid_->number(); }
  const Ref<Pid>& pid_ref() const { return pid_; }

  // --- Life (T) ---
  std::atomic<LifeState> life{LifeState::Embryo};
  int exit_status = 0;                         // as wait4(2) encodes it; set by begin_exit (P), fixed once a zombie
  int exit_signal = kSigChld;                  // 0: none (R8); what the parent gets is end_signal_of() in reap.cpp
  uint64_t program = 0;                        // another number after each exec
  uint64_t parents_program = 0;                // of its creator, when exit_signal was chosen
  std::atomic<uint32_t> flags{kDumpable};
  bool has(ProcessFlag flag) const { return flags.load(std::memory_order_acquire) & flag; }
  void set(ProcessFlag flag) { flags.fetch_or(flag); }
  void clear(ProcessFlag flag) { flags.fetch_and(~static_cast<uint32_t>(flag)); }

  // --- Links (T) ---
  void set_parent(Process& new_parent) REQUIRES(tree_lock);
  std::atomic<PidNumber> parent_pid{0};        // readable without the lock: getppid(2)
  Ref<Process> parent;                         // who waits for it: its creator, init or a subreaper
  PidNumber parent_thread = 0;                 // the parent's thread that made it: process/parent_thread.h
  ProcessList<SiblingTag> children;            // alive
  ProcessList<SiblingTag> zombies;             // ended, not yet waited for: wait4 finds one at once
  ProcessTracees tracees;                      // threads that it traces, its own children's or others' (K4)
  uint64_t reaper_number = 0;                  // of a reaper, a new one each time it becomes one (process/reaper.h)
  ReaperBranch branch;
  Ref<ProcessGroup> group;
  // RFTHREAD peers (R9): a list that starts at their leader (process/peers.h).
  Ref<Process> leader;                         // null: itself
  Process* next_peer = nullptr;

  sched::WaitQueue child_wait{"wait"};         // wait4(2): a child changed state
  sched::WaitQueue release_wait{"ppwait"};     // vfork(2): woken when kParentWaits of the child clears
  sched::WaitQueue end_wait{"pidfd"};          // pidfd pollers
  sched::WaitQueue peer_wait{"peers"};         // a leader that ends: its peers have

  // --- Threads (P) ---
  mutable sync::Spinlock lock{"process"};
  boost::intrusive::list<Thread, boost::intrusive::base_hook<ThreadHook>> threads;
  std::atomic<uint32_t> thread_count{0};
  Ref<Thread> first_thread;                    // the main thread, also after it has ended before the others; (P) and (T)
                                               // to change, either to read
  char name[16] = {};                          // what ps shows: the main thread's name
  Thread* single_thread = nullptr;             // (P) who asked all others to stop or end (exec, exit); H3
  uint32_t single_count = 0;                   // (P) threads that have not yet complied
  sched::WaitQueue single_wait{"single"};
  uint32_t set_id_transitions = 0;             // (P) threads in exec of a set-id program (process/inspection.h)

  // --- Signals and job control (P) ---
  PendingSignals pending;
  StopState stop_state = StopState::Running;
  int stop_signal = 0;
  bool stop_reported = true, continue_reported = true;   // wait4 has told the parent
  bool stop_taken = false;                     // a stop signal is out of the queue, the stop not yet begun
  bool continue_unannounced = false;           // continued; the first thread to run again tells the parent
  int parent_death_signal = 0;
  // The two steps of job control, counted so that wait and exit look for stops only when there are any.
  void note_stopped(int by_signal) REQUIRES(lock);
  void note_continued() REQUIRES(lock);
  void forget_stops() REQUIRES(lock);          // at the end of the process
  void note_reported(bool& reported) REQUIRES(lock);

  // --- Shared parts. Readers take a reference with the accessors below; (P) guards the pointers. ---
  // The running thread may use its own process's address space without a reference: only exec, exit and rfork
  // change it, and only when no other thread runs.
  vm::AddressSpace* own_address_space() const { return address_space_.get(); }
  Ref<vm::AddressSpace> address_space() const;
  Ref<file::DescriptorTable> descriptors() const;
  Ref<file::FsContext> fs() const;
  Ref<SignalActions> actions() const;
  identity::CredentialsRef credentials() const;
  Ref<const Limits> limits() const;
  uint64_t limit(Resource resource) const { return (*limits())[resource].current; }
  Ref<ArgumentBlock> arguments() const;
  file::Path executable() const;               // C4

  void set_address_space(Ref<vm::AddressSpace> value);
  void set_descriptors(Ref<file::DescriptorTable> value);
  void set_fs(Ref<file::FsContext> value);
  void set_actions(Ref<SignalActions> value);
  // For the only thread of a process. This and the next two move the process to its new user's count, whatever the limit:
  // setuid(2) does not fail for it, the next fork does (L4).
  void set_credentials(identity::CredentialsRef value);
  // Changes nothing and returns false when the credentials are not `before` any more.
  bool replace_credentials(const identity::CredentialsRef& before, identity::CredentialsRef value);
  // Replaces them by change(credentials), which is called again when another thread was faster. Errors: those of change.
  template <class Change>
  Result<> change_credentials(Change&& change) {
    while (true) {
      const identity::CredentialsRef before = credentials();
      identity::CredentialsRef changed = TRY(change(*before));
      if (replace_credentials(before, std::move(changed))) return {};
    }
  }
  void set_limits(Ref<const Limits> value);
  void set_arguments(Ref<ArgumentBlock> value);
  void set_executable(file::Path value);
  // exec and exit: the running thread, the only one of its process, goes over to `value` (null: none) on this CPU.
  void switch_address_space(Ref<vm::AddressSpace> value);
  void release_shared_parts();                 // exit: drops all that a zombie does not need
  bool charge_thread(uint64_t limit) REQUIRES(lock) { return charge_.add_thread(limit); }   // one more; false: RLIMIT_NPROC
  void uncharge_thread() REQUIRES(lock) { charge_.remove_thread(); }   // one of several has ended
  struct Holdings {
    uint64_t pages;         // of memory, the tables for it included
    unsigned descriptors;
  };
  Holdings holdings() const;                   // what its end gives back
  identity::Payer payer() const;               // who pays for what its threads make the kernel keep
  void give_back_slot();                       // reaped: no longer counted in the table nor for the user

  Restrictions restrictions;                   // (P) with their flags kPledged, kExecPledged, kPinned, kLibcPinned

  // Null: nobody watches. Set once, never changed (life_watchers.h).
  std::atomic<struct LifeWatchers*> watchers{nullptr};

  // --- Time, counters and the rest ---
  Nanoseconds start_time = 0;                  // uptime clock (C14)
  Usage usage;                                 // of ended threads (P)
  Usage children_usage;                        // of reaped children (T)
  Ref<class IntervalTimers> timers;            // (P) itimers and POSIX timers; made at first use

 private:
  friend class ForkReservation;
  friend class Inspector;
  const Ref<Pid> pid_;
  Slot slot_;
  UserCharge charge_;                          // RLIMIT_NPROC; for credentials_->user, except in process 0
  Ref<vm::AddressSpace> address_space_;
  Ref<file::DescriptorTable> descriptors_;
  Ref<file::FsContext> fs_;
  Ref<SignalActions> actions_;
  identity::CredentialsRef credentials_;
  Ref<const Limits> limits_;
  Ref<ArgumentBlock> arguments_;
  file::Path executable_;
};

extern std::atomic<uint32_t> stopped_processes;   // whose stop_state is not Running
extern std::atomic<uint32_t> unreported_stops;    // stops and continuations that no wait has told yet

void set_life_state(Process& process, LifeState next) REQUIRES(tree_lock);

// All processes that are not embryos, newest first; zombies included. (T)
ProcessList<AllTag>& all_processes() REQUIRES(tree_lock);
// Iterates safely without holding tree_lock across the body: the process with the smallest pid > `after`, or null.
Ref<Process> next_process(PidNumber after);

Process& init_process();                       // pid 1
void set_init_process(Process& process);
void init_process_table();                     // boot

}  // namespace tine::process
