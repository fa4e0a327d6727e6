// SPDX-License-Identifier: BSD-2-Clause
// Sending signals: who may, where the signal waits, which thread is told. Works from interrupts and with
// tree_lock held; what needs to sleep or to look at the tree (stops, telling the parent) is left to the
// receiver, in signal_deliver.cpp. Source: kill(2), signal(7), POSIX 2.4. Seed rows R14, A3, V2. Lock:
// Process::lock of the receiver.
#include <algorithm>
#include <utility>

#include "process/exit.h"
#include "process/life_announce.h"
#include "process/process.h"
#include "process/signal.h"
#include "process/signal_stop.h"
#include "process/tracing.h"

namespace tine::process {

namespace {

enum class Shortage : uint8_t { SendBareNumber, Fail };

// Does `thread` take `signal` itself, now or by sigtimedwait? (P)
bool takes(const Thread& thread, int signal) {
  return !thread.exiting && (!thread.mask.has(signal) || thread.waiting_for.has(signal));
}

// Shall the signal vanish at once? A blocked one is kept even if ignored: the program may be about to catch
// it. Init is not hurt by what it does not catch. (P)
bool is_dropped(const Process& process, const Thread* target, const SignalActions& actions, int signal) {
  if (process.has(kTraced)) return false;
  const bool unwanted = actions.ignores(signal) || (process.pid() == 1 && actions.is_default(signal));
  if (!unwanted) return false;
  if (target != nullptr) return !target->mask.has(signal);
  // A thread that blocks it for a moment, as libraries do where threads begin and end, changes nothing for the others:
  // they would be interrupted by what they ignore.
  for (const Thread& thread : process.threads)
    if (!thread.mask.has(signal)) return true;
  return false;
}

// The main thread if it takes the signal, else any that does; null: all block it. (P)
Thread* choose_thread(Process& process, int signal) {
  if (process.first_thread != nullptr && takes(*process.first_thread, signal))
    return process.first_thread.get();
  for (Thread& thread : process.threads)
    if (takes(thread, signal)) return &thread;
  return nullptr;
}

// (P)
void tell(Thread& thread) {
  thread.request_work(sched::kWorkSignal);
  sched::interrupt(thread);
}

// A thread takes `signals` no longer: another one must be told of those that are pending for the process. One that waits
// for them by sigtimedwait has seen them, and hands over what it leaves. (P)
void hand_over(Process& process, SignalSet signals) {
  for (SignalSet left = process.pending.set() & signals; !left.empty(); left.remove(left.first())) {
    Thread* const heir = choose_thread(process, left.first());
    if (heir != nullptr && !heir->mask.has(left.first())) tell(*heir);
  }
}

// sigtimedwait, and the readers and pollers of signalfd. (P)
void wake_signal_readers(Process& process, Thread* target) {
  if (target != nullptr) {
    target->signal_wait.wake_all();
    return;
  }
  for (Thread& thread : process.threads)
    if (thread.signal_wait.has_waiters()) thread.signal_wait.wake_all();
}

bool ends_by_default(const Process& process, const SignalActions& actions, int signal) {
  const DefaultAction usual = default_action(signal);
  return (usual == DefaultAction::Terminate || usual == DefaultAction::Core) && !process.has(kTraced) &&
         process.pid() != 1 && actions.is_default(signal);
}

// Does `signal` end the process here and now? Then it does so while the sender holds its locks, so that no
// thread of the process can fork behind a signal to its group (A3). Not while the process is stopped, and not
// while `taker` sleeps in a way that signals do not end: a vfork's parent has them pending until its child
// lets it go (V2). (P)
bool ends_at_once(const Process& process, const Thread& taker, const SignalActions& actions, int signal) {
  if (signal == kSigKill) return true;
  if (!ends_by_default(process, actions, signal) || taker.mask.has(signal)) return false;
  const bool sleeps_on = taker.state.load() == sched::ThreadState::Sleeping && !taker.interruptible.load();
  return process.stop_state == StopState::Running && !sleeps_on;
}

// Room for the signal's information; null when there is none and the bare number will do. Real-time signals,
// of which any number can be pending, count against the receiver's limit.
Result<std::unique_ptr<QueuedSignal>> make_entry(const Process& process, const SentSignal& sent,
                                                 Shortage shortage) {
  const int signal = sent.info.signal;
  if (signal == kSigKill) return nullptr;
  std::unique_ptr<QueuedSignal> entry(new (std::nothrow) QueuedSignal(sent));
  if (entry == nullptr)
    return shortage == Shortage::Fail ? Error(Errno::Again) : Result<std::unique_ptr<QueuedSignal>>();
  if (!is_realtime(signal) || sent.by_timer) return entry;   // a timer's place was taken when it was made

  const Ref<identity::UserRecord> user = process.credentials()->user;
  auto charge = identity::Charge<identity::Kept::Signals>::take_within(user, 1, process.limit(Resource::PendingSignals));
  if (!charge) return shortage == Shortage::Fail ? Error(Errno::Again) : Result<std::unique_ptr<QueuedSignal>>();
  entry->charge = std::move(*charge);
  return entry;
}

// A timer expired again while its signal was pending.
void add_expiries(SignalInfo& pending, const SignalInfo& again) {
  const int64_t sum = int64_t{pending.timer.overrun} + again.timer.overrun + 1;
  pending.timer.overrun = static_cast<int32_t>(std::min<int64_t>(sum, INT32_MAX));
}

enum class Sent : uint8_t { Done, Fatal };

// `target` null: to the process.
Result<Sent> enqueue(Process& process, Thread* target, const SentSignal& sent, Shortage shortage) {
  const int signal = sent.info.signal;
  const Ref<SignalActions> actions = process.actions();
  if (actions == nullptr) return Sent::Done;

  // Most signals that nobody wants (SIGCHLD, above all) go no further. Real-time signals are counted first, lest an
  // ignored one that is also blocked be queued without a limit.
  const bool may_be_dropped = actions->ignores(signal) && !is_realtime(signal);
  std::unique_ptr<QueuedSignal> entry;
  if (!may_be_dropped) entry = TRY(make_entry(process, sent, shortage));

  sync::SpinGuard guard(process.lock);
  if (process.threads.empty() || (target != nullptr && target->exiting)) return Sent::Done;
  announce_signal(process, signal);
  if (is_dropped(process, target, *actions, signal)) {
    if (process.pid() != 1) obey_job_control(process, signal);
    return Sent::Done;
  }
  obey_job_control(process, signal);

  Thread* const taker = target != nullptr ? target : choose_thread(process, signal);
  if (taker != nullptr && ends_at_once(process, *taker, *actions, signal)) {
    if (taker->call_watch.load(std::memory_order_relaxed) != 0) taker->pending.add(signal, std::move(entry));   // to tell of
    return Sent::Fatal;
  }

  PendingSignals& pending = target != nullptr ? target->pending : process.pending;
  if (sent.by_timer) {
    if (QueuedSignal* earlier = pending.find_timer(sent.info.timer.timer_id)) {
      add_expiries(earlier->info, sent.info);
      return Sent::Done;
    }
  }
  // Ignored but blocked is rare, and the cache never sleeps.
  if (may_be_dropped) entry.reset(new (std::nothrow) QueuedSignal(sent));
  pending.add(signal, std::move(entry));
  if (taker != nullptr && !taker->mask.has(signal)) {
    if (ends_by_default(process, *actions, signal))
      for (Thread& thread : process.threads) tell(thread);  // the first that can takes it
    else
      tell(*taker);
  }
  wake_signal_readers(process, target);
  return Sent::Done;
}

Result<> send(Process& process, Thread* target, const SentSignal& sent, Shortage shortage) {
  if (process.has(kSystem) || (target != nullptr && target->is_system)) return {};  // R14
  if (process.life.load(std::memory_order_acquire) != LifeState::Alive) return {};
  if (TRY(enqueue(process, target, sent, shortage)) == Sent::Fatal)
    begin_exit(process, signal_status(sent.info.signal, /*core=*/false));
  return {};
}

}  // namespace

void send_signal(Process& process, const SignalInfo& info) {
  (void)send(process, nullptr, {info}, Shortage::SendBareNumber);
}

void send_signal_to_thread(Thread& thread, const SignalInfo& info) {
  (void)send(thread.process(), &thread, {info}, Shortage::SendBareNumber);
}

Result<> queue_signal(Process& process, const SignalInfo& info) {
  return send(process, nullptr, {info}, is_realtime(info.signal) ? Shortage::Fail : Shortage::SendBareNumber);
}

Result<> queue_signal_to_thread(Thread& thread, const SignalInfo& info) {
  return send(thread.process(), &thread, {info},
              is_realtime(info.signal) ? Shortage::Fail : Shortage::SendBareNumber);
}

void send_timer_signal(Process& process, Thread* thread, const SignalInfo& info) {
  (void)send(process, thread, {.info = info, .by_timer = true}, Shortage::SendBareNumber);
}

void force_signal(Thread& thread, const SignalInfo& info) {
  const int signal = info.signal;
  Process& process = thread.process();
  const Ref<SignalActions> actions = process.actions();
  std::unique_ptr<QueuedSignal> entry(new (std::nothrow) QueuedSignal(SentSignal{info}));

  sync::SpinGuard guard(process.lock);
  if (thread.mask.has(signal) || actions->ignores(signal)) {
    actions->reset(signal);
    thread.mask.remove(signal);
  }
  announce_signal(process, signal);
  thread.pending.discard(SignalSet::of(signal));  // the fault is what counts, not an earlier kill(2)
  thread.pending.add(signal, std::move(entry));
  thread.request_work(sched::kWorkSignal);
}

SignalInfo kernel_signal(int signal) {
  SignalInfo info;
  info.signal = signal;
  info.code = kFromKernel;
  return info;
}

SignalInfo user_signal(int signal, const Process& sender) {
  SignalInfo info;
  info.signal = signal;
  info.code = kFromUser;
  info.sender.pid = sender.pid();
  info.sender.uid = sender.credentials()->ruid;
  return info;
}

Result<> check_may_signal(const Process& sender, const Process& target, int signal) {
  if (&sender == &target) return {};
  const identity::CredentialsRef from = sender.credentials();
  const identity::CredentialsRef to = target.credentials();
  if (from->euid == to->suid || from->euid == to->ruid || from->ruid == to->suid || from->ruid == to->ruid ||
      from->capable(identity::Capability::Kill))
    return {};
  if (signal == kSigCont && sender.group != nullptr && target.group != nullptr &&
      sender.group->session == target.group->session)
    return {};
  return Error(Errno::Perm);
}

Result<> signal_from(const Process& sender, Process& target, const SignalInfo& info) {
  sync::SpinGuard guard(tree_lock);
  TRY(check_may_signal(sender, target, info.signal));
  return info.signal == 0 ? Result<>() : queue_signal(target, info);
}

Result<> signal_from(const Process& sender, Thread& target, const SignalInfo& info) {
  sync::SpinGuard guard(tree_lock);
  TRY(check_may_signal(sender, target.process(), info.signal));
  return info.signal == 0 ? Result<>() : queue_signal_to_thread(target, info);
}

void leave_signals(Thread& leaving) {
  Process& process = leaving.process();
  bool stopped = false;
  {
    sync::SpinGuard guard(process.lock);
    leaving.exiting = true;
    hand_over(process, ~leaving.mask);
    stopped = complete_stop(process);
  }
  if (stopped) announce_stop(process);
}

// --- Masks ---

namespace {

// (P)
void change_mask(Thread& thread, SignalSet mask) {
  const SignalSet before = std::exchange(thread.mask, mask & ~kUnblockable);
  hand_over(thread.process(), thread.mask & ~before);
}

// (P)
bool has_work(const Thread& thread) {
  const Process& process = thread.process();
  const bool stops = process.stop_state != StopState::Running && !passes_stop(thread);
  return thread.exiting || stops || process.continue_unannounced || has_trace_work(thread) ||
         !((thread.pending.set() | process.pending.set()) & ~thread.mask).empty();
}

// (P)
void update_work(Thread& thread) {
  if (has_work(thread))
    thread.request_work(sched::kWorkSignal);
  else
    thread.clear_work(sched::kWorkSignal);
}

}  // namespace

bool has_deliverable_signal(const Thread& thread) {
  sync::SpinGuard guard(thread.process().lock);
  return has_work(thread);
}

void update_signal_work(Thread& thread) {
  sync::SpinGuard guard(thread.process().lock);
  update_work(thread);
}

void set_signal_mask(Thread& thread, SignalSet mask) {
  sync::SpinGuard guard(thread.process().lock);
  change_mask(thread, mask);
  update_work(thread);
}

void set_waiting_for(Thread& thread, SignalSet wanted) {
  sync::SpinGuard guard(thread.process().lock);
  const SignalSet before = std::exchange(thread.waiting_for, wanted);
  hand_over(thread.process(), before & ~wanted & thread.mask);
}

void set_temporary_mask(Thread& thread, SignalSet mask) {
  sync::SpinGuard guard(thread.process().lock);
  thread.saved_mask = thread.mask;
  thread.restore_saved_mask = true;
  change_mask(thread, mask);
  update_work(thread);
}

void end_temporary_mask(Thread& thread, bool interrupted) {
  if (interrupted || !thread.restore_saved_mask) return;
  sync::SpinGuard guard(thread.process().lock);
  thread.restore_saved_mask = false;
  change_mask(thread, thread.saved_mask);
  update_work(thread);
}

}  // namespace tine::process
