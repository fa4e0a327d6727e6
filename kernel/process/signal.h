// SPDX-License-Identifier: BSD-2-Clause
// Signals: numbers, sets, queues of pending ones, and actions. Source: signal(7), sigaction(2); numbers are Linux's.
// Lock: a process's signal state belongs to Process::lock; SignalActions have a lock of their own, taken after it.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>

#include "base/ref.h"
#include "base/result.h"
#include "identity/charge.h"
#include "mem/object_cache.h"
#include "sync/spinlock.h"

namespace tine::process {

class Process;
class Thread;

inline constexpr int kSigHup = 1, kSigInt = 2, kSigQuit = 3, kSigIll = 4, kSigTrap = 5, kSigAbrt = 6, kSigBus = 7,
                     kSigFpe = 8, kSigKill = 9, kSigUsr1 = 10, kSigSegv = 11, kSigUsr2 = 12, kSigPipe = 13,
                     kSigAlrm = 14, kSigTerm = 15, kSigStkFlt = 16, kSigChld = 17, kSigCont = 18, kSigStop = 19,
                     kSigTstp = 20, kSigTtin = 21, kSigTtou = 22, kSigUrg = 23, kSigXcpu = 24, kSigXfsz = 25,
                     kSigVtalrm = 26, kSigProf = 27, kSigWinch = 28, kSigIo = 29, kSigPwr = 30, kSigSys = 31,
                     kSigRtMin = 32, kSignalCount = 64;

// Signals 1 to 64, bit n-1 for signal n, as in Linux's sigset_t.
class SignalSet {
 public:
  constexpr SignalSet() = default;
  constexpr explicit SignalSet(uint64_t bits) : bits_(bits) {}
  static constexpr SignalSet of(int signal) { return SignalSet(uint64_t{1} << (signal - 1)); }
  constexpr uint64_t bits() const { return bits_; }
  constexpr bool has(int signal) const { return bits_ >> (signal - 1) & 1; }
  constexpr void add(int signal) { bits_ |= of(signal).bits_; }
  constexpr void remove(int signal) { bits_ &= ~of(signal).bits_; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr int first() const { return bits_ == 0 ? 0 : __builtin_ctzll(bits_) + 1; }
  constexpr SignalSet operator|(SignalSet other) const { return SignalSet(bits_ | other.bits_); }
  constexpr SignalSet operator&(SignalSet other) const { return SignalSet(bits_ & other.bits_); }
  constexpr SignalSet operator~() const { return SignalSet(~bits_); }
  constexpr bool operator==(const SignalSet&) const = default;

 private:
  uint64_t bits_ = 0;
};
inline constexpr SignalSet kUnblockable = SignalSet::of(kSigKill) | SignalSet::of(kSigStop);
inline constexpr SignalSet kStopSignals =
    SignalSet::of(kSigStop) | SignalSet::of(kSigTstp) | SignalSet::of(kSigTtin) | SignalSet::of(kSigTtou);
// What a fault of the thread itself sends; taken before all others.
inline constexpr SignalSet kSynchronousSignals = SignalSet::of(kSigSegv) | SignalSet::of(kSigBus) |
                                                 SignalSet::of(kSigIll) | SignalSet::of(kSigTrap) |
                                                 SignalSet::of(kSigFpe) | SignalSet::of(kSigSys);
constexpr bool is_signal(int number) { return number >= 1 && number <= kSignalCount; }
constexpr bool is_realtime(int signal) { return signal >= kSigRtMin; }

// SignalInfo::code.
inline constexpr int kFromUser = 0, kFromKernel = 0x80, kFromQueue = -1, kFromTimer = -2, kFromThreadKill = -6;

// What a handler with SA_SIGINFO sees: Linux's siginfo_t, 128 bytes, in the layout of the ABI.
struct SignalInfo {
  int32_t signal = 0;
  int32_t error = 0;
  int32_t code = 0;       // SI_USER 0, SI_KERNEL 0x80, SI_QUEUE -1, SI_TIMER -2, SI_TKILL -6, CLD_*, SEGV_*, ...
  int32_t padding = 0;
  union {
    struct { int32_t pid; uint32_t uid; union { uint64_t value; struct { int32_t status; int32_t pad; int64_t utime, stime; }; }; } sender;
    struct { int32_t timer_id; int32_t overrun; uint64_t value; } timer;
    struct { uint64_t address; int16_t address_lsb; } fault;
    struct { int64_t band; int32_t fd; } poll;
    struct { uint64_t call_address; int32_t number; uint32_t architecture; } system_call;
    uint8_t raw[112] = {};
  };
};
static_assert(sizeof(SignalInfo) == 128);

// A signal with what only the kernel says of it: what is in SignalInfo, a program can have made up.
struct SentSignal {
  SignalInfo info;
  bool by_timer = false;            // a POSIX timer's
};

struct QueuedSignal : SentSignal, boost::intrusive::list_base_hook<>, mem::FromCache<QueuedSignal> {
  explicit QueuedSignal(const SentSignal& sent) : SentSignal(sent) {}
  identity::Charge<identity::Kept::Signals> charge;   // real-time signals: to the receiver, within RLIMIT_SIGPENDING
};

// Pending signals: one of each standard signal, real-time ones queued in order.
class PendingSignals {
 public:
  PendingSignals() = default;
  ~PendingSignals() { clear(); }
  SignalSet set() const { return set_; }
  // Takes `entry` (or null when it could not be allocated: then only the number is remembered). A standard signal that
  // is already pending is dropped.
  void add(int signal, std::unique_ptr<QueuedSignal> entry);
  // Takes out the next signal of `wanted`: synchronous faults first, then by number. False: none.
  bool take(SignalSet wanted, SentSignal& taken);
  void discard(SignalSet signals);
  void clear() { discard(~SignalSet()); }
  // The queued signal of a POSIX timer, or null.
  QueuedSignal* find_timer(int timer_id);

 private:
  SignalSet set_;
  boost::intrusive::list<QueuedSignal> queue_;
};

struct SignalAction {
  static constexpr uintptr_t kDefault = 0, kIgnore = 1;
  static constexpr uint64_t kNoChildStop = 1, kNoChildWait = 2, kSigInfo = 4, kRestorer = 0x04000000,
                            kOnStack = 0x08000000, kRestart = 0x10000000, kNoDefer = 0x40000000, kResetHand = 0x80000000;
  uintptr_t handler = kDefault;
  uint64_t flags = 0;
  uintptr_t restorer = 0;
  SignalSet mask;
};

// What sigaction(2) stored, shared by forks until one of them changes it. Written only while one SignalActions has it.
struct ActionTable : RefCounted<ActionTable>, mem::FromCache<ActionTable> {
  SignalAction actions[kSignalCount];
};

// The actions of a process; one object shared by CLONE_SIGHAND and RFSIGSHARE, cloned by other forks (seed rows R6,
// C15). The two sets say what is caught and what is ignored, and overrule the table, so that going back to the default
// (SA_RESETHAND, a fault that is blocked, exec) needs no memory and cannot fail.
class SignalActions : public RefCounted<SignalActions>, public mem::FromCache<SignalActions> {
 public:
  Result<Ref<SignalActions>> clone() const;                                    // constant time
  SignalAction get(int signal) const;
  Result<SignalAction> exchange(int signal, const SignalAction& action);       // the old one; NoMem
  void reset(int signal);                                                      // to the default
  bool ignores(int signal) const;          // SIG_IGN, or default where the default is to ignore
  bool is_default(int signal) const;
  void reset_to_default();                 // what is caught; ignored ones stay (exec, CLONE_CLEAR_SIGHAND)
  SignalSet caught() const;
  SignalSet ignored() const;

 private:
  mutable sync::Spinlock lock_{"signal actions"};
  SignalSet caught_ GUARDED_BY(lock_), ignored_ GUARDED_BY(lock_);
  Ref<ActionTable> table_ GUARDED_BY(lock_);   // null: all default, no flags
};

struct AlternateStack {
  uintptr_t base = 0;
  size_t size = 0;
  uint32_t flags = 2;  // SS_DISABLE
};

enum class DefaultAction : uint8_t { Terminate, Core, Stop, Continue, Ignore };
DefaultAction default_action(int signal);

// --- Sending (signal_send.cpp). Locks taken inside: Process::lock. Callable from interrupts. ---
// To the process: any thread that does not block it takes it. Ignored signals are dropped at once. May be called with
// tree_lock held.
void send_signal(Process& process, const SignalInfo& info);
void send_signal_to_thread(Thread& thread, const SignalInfo& info);
// The same for sigqueue(3): Again when a real-time signal would go over RLIMIT_SIGPENDING or there is no memory, where
// the others send the bare number.
Result<> queue_signal(Process& process, const SignalInfo& info);
Result<> queue_signal_to_thread(Thread& thread, const SignalInfo& info);
// The same for a program that wants it (kill(2) and its like): checks that it may, and sends, in one step under
// tree_lock. Signal 0 only checks. Errors: Perm, Again.
Result<> signal_from(const Process& sender, Process& target, const SignalInfo& info);
Result<> signal_from(const Process& sender, Thread& target, const SignalInfo& info);
// A POSIX timer's, to `thread` or, when that is null, to the process. One that is still pending counts the expiry as an
// overrun instead; so a timer has at most one, to which no limit applies.
void send_timer_signal(Process& process, Thread* thread, const SignalInfo& info);
// A fault of the running thread itself: cannot be blocked or ignored (then it kills). Called with interrupts on.
void force_signal(Thread& thread, const SignalInfo& info);
SignalInfo kernel_signal(int signal);                          // SI_KERNEL
SignalInfo user_signal(int signal, const Process& sender);     // SI_USER
// May `sender` signal `target`? Source: kill(2). Perm otherwise. tree_lock held (SIGCONT looks at the sessions).
Result<> check_may_signal(const Process& sender, const Process& target, int signal);

// --- Taking (signal_deliver.cpp) ---
// Does the running thread have something to handle before it may return to user mode or go on sleeping?
bool has_deliverable_signal(const Thread& thread);
void update_signal_work(Thread& thread);   // recomputes kWorkSignal after a mask or queue change
// The whole of the work at the return to user mode: stops, kills, runs handlers, restarts calls.
void handle_signals(Thread& thread);
void set_signal_mask(Thread& thread, SignalSet mask);

// ppoll, pselect, epoll_pwait: a mask for the time of one call. If a signal ended the call (`interrupted`), its handler
// runs under the temporary mask, and handle_signals restores the old one after it; otherwise this does, at once.
void set_temporary_mask(Thread& thread, SignalSet mask);
void end_temporary_mask(Thread& thread, bool interrupted);

// What the running thread takes by take_signal although it blocks it, from now on (sigtimedwait).
void set_waiting_for(Thread& thread, SignalSet wanted);
// Takes a pending signal of `wanted` from the running thread or its process; false: none (sigtimedwait, signalfd).
bool take_signal(Thread& thread, SignalSet wanted, SignalInfo& info);
SignalSet pending_signals(const Thread& thread);               // the thread's and its process's

// sigaction(2): `action` null only asks. Pending signals that become ignored are discarded.
Result<SignalAction> set_signal_action(Process& process, int signal, const SignalAction* action);

// Called first by a thread that ends: those signals of its process that it was woken for go to another thread, and it
// no longer holds up a stop of the process. Marks it as exiting. Process::lock not held.
void leave_signals(Thread& leaving);

}  // namespace tine::process
