// SPDX-License-Identifier: BSD-2-Clause
// EVFILT_PROC and EVFILT_SIGNAL: knotes of processes, told by the life events. A knote with NOTE_TRACK
// follows forks: the child's knote is taken in the fork's reserve phase, so that announcing cannot fail;
// where there was no memory for it, the fork goes on and the parent's knote says NOTE_TRACKERR. Seed row T1.
// Lock: that of the process's list of watchers, before Kqueue::lock.
#include "base/late.h"
#include "event/kqueue.h"
#include "process/life_events.h"
#include "process/life_watchers.h"
#include "process/process.h"

namespace tine::event {

namespace {

using process::LifeWatchers;
using process::PidNumber;
using process::Process;

constexpr uint32_t kNoteFork = 0x40000000, kNoteExec = 0x20000000, kNoteTrack = 1,
                   kNoteTrackError = 2, kNoteChild = 4;

// A knote of a process. It is in the list from attach() until detach() or the process's end.
class LifeNote : public Knote, public process::LifeWatcher {
 public:
  void detach() override;
  // Errors: Again when too many watch the process.
  Result<> enroll(LifeWatchers& watchers) REQUIRES(watchers.lock);
  void withdraw(LifeWatchers& watchers) REQUIRES(watchers.lock);

  bool is_stranger = false;    // to the process that it watches

 private:
  Ref<LifeWatchers> watchers_;  // set once, before anybody else knows the knote
};

Result<> LifeNote::enroll(LifeWatchers& watchers) {
  const bool of_signals = setting.filter == kFilterSignal;
  if (is_stranger && watchers.strangers >= LifeWatchers::kMostStrangers) return Error(Errno::Again);
  if (of_signals && watchers.of_signals >= LifeWatchers::kMostOfSignals) return Error(Errno::Again);
  watchers.strangers += is_stranger;
  watchers.of_signals += of_signals;
  watchers_ = &watchers;
  watchers.list.push_front(*this);  // in front: whoever walks the list does not meet it
  return {};
}

void LifeNote::withdraw(LifeWatchers& watchers) {
  if (!process::LifeWatcher::is_linked()) return;
  watchers.strangers -= is_stranger;
  watchers.of_signals -= setting.filter == kFilterSignal;
  watchers.list.erase(watchers.list.iterator_to(*this));
}

void LifeNote::detach() {
  if (watchers_ == nullptr) return;
  sync::SpinGuard guard(watchers_->lock);
  withdraw(*watchers_);
}

LifeWatchers* watchers_of(const Process& process) { return process.watchers.load(std::memory_order_seq_cst); }

// The process's own, made at the first watch. NoMem.
Result<Ref<LifeWatchers>> make_watchers(Process& process) {
  if (LifeWatchers* present = watchers_of(process)) return Ref<LifeWatchers>(present);
  Ref<LifeWatchers> fresh = TRY(mem::make_ref<LifeWatchers>());
  LifeWatchers* present = nullptr;
  if (!process.watchers.compare_exchange_strong(present, fresh.get())) return Ref<LifeWatchers>(present);
  intrusive_ptr_add_ref(fresh.get());  // the process's
  return fresh;
}

// --- Processes ---

class ProcessNote final : public LifeNote, public mem::FromCache<ProcessNote> {
 public:
  Result<> attach() override {
    TRY(process::require_promise(process::current(), process::promise::kProc));
    const auto pid = setting.ident;
    Ref<Process> process = pid <= INT32_MAX ? process::find_process(static_cast<PidNumber>(pid)) : nullptr;
    if (process == nullptr) return Error(Errno::Srch);
    {
      sync::SpinGuard guard(queue->lock);
      setting.flags |= kEventClear;
    }
    const identity::CredentialsRef mine = process::current().process().credentials(), theirs = process->credentials();
    is_stranger = mine->euid != 0 && (theirs == nullptr || mine->ruid != theirs->ruid);
    const Ref<LifeWatchers> watchers = TRY(make_watchers(*process));
    sync::SpinGuard guard(watchers->lock);
    TRY(enroll(*watchers));
    // The end looks for watchers after it has set the flag: it is seen here, or told later.
    if (process->flags.load() & process::kExiting) {
      withdraw(*watchers);
      exited(process->exit_status);
    }
    return {};
  }

  // A child's first event is told apart from what came later: its data is the parent, that of an exit the
  // status.
  bool take(Kevent& event) override {
    sync::SpinGuard guard(queue->lock);
    if (happened_ & kNoteChild) {
      event.fflags = kNoteChild;
      event.data = parent_;
      event.flags &= ~(kEventEof | kEventOneShot);
      happened_ &= ~kNoteChild;
      if (happened_ != 0) queue->enqueue(*this);
      return true;
    }
    if (happened_ == 0) return false;
    event.fflags = happened_;
    event.data = happened_ & kNoteExit ? status_ : happened_ & kNoteFork ? last_child_ : 0;
    happened_ = 0;
    return true;
  }

  // The watchers of `parent`, of which this is one, are locked.
  void forked(Process& parent, Process& child, Ref<ProcessNote>& reserved) {
    uint32_t events = kNoteFork;
    if (setting.fflags & kNoteTrack && !follow(parent, child, reserved)) events |= kNoteTrackError;
    happened(events, [&] { last_child_ = child.pid(); });
  }
  void executed() {
    happened(kNoteExec, [] {});
  }
  void exited(int status) {
    Kqueue& home = *queue;
    {
      sync::SpinGuard guard(home.lock);
      setting.flags |= kEventEof | kEventOneShot;
      happened_ |= setting.fflags & kNoteExit;
      status_ = status;
      if (happened_ == 0) dropped = true;
      home.enqueue(*this);
    }
    home.announce();
  }

  bool tracks() const { return setting.fflags & kNoteTrack; }
  Ref<ProcessNote> next_reserved;             // in a fork's reservation
  Ref<LifeWatchers> reserved_watchers;        // likewise: the child's

 private:
  // Records what somebody asked for; `details` are stored with it.
  template <class Details>
  void happened(uint32_t events, Details&& details) {
    Kqueue& home = *queue;
    {
      sync::SpinGuard guard(home.lock);
      events &= setting.fflags | kNoteTrackError;
      if (events == 0) return;
      happened_ |= events;
      details();
      home.enqueue(*this);
    }
    home.announce();
  }

  bool follow(Process& parent, Process& child, Ref<ProcessNote>& reserved) NO_THREAD_SAFETY_ANALYSIS {
    if (reserved == nullptr) return false;
    const Ref<ProcessNote> note = reserved;
    reserved = std::move(note->next_reserved);
    note->queue = queue;
    {
      sync::SpinGuard guard(queue->lock);
      note->setting = setting;
      note->enabled = enabled;
    }
    note->setting.ident = static_cast<uint64_t>(child.pid());
    note->parent_ = parent.pid();
    note->happened_ = kNoteChild;
    note->is_stranger = is_stranger;
    LifeWatchers* present = nullptr;
    if (child.watchers.compare_exchange_strong(present, note->reserved_watchers.get()))
      present = note->reserved_watchers.detach();  // the child's reference now
    note->reserved_watchers.reset();
    // In the list before the kqueue knows it: what takes it back finds it there.
    present->lock.lock_nested();  // parent before child
    bool adopted = note->enroll(*present).has_value();
    if (adopted && !queue->adopt(*note)) {
      note->withdraw(*present);
      adopted = false;
    }
    present->lock.unlock();
    return adopted;
  }

  // Kqueue::lock
  uint32_t happened_ = 0;
  int status_ = 0;
  PidNumber last_child_ = 0, parent_ = 0;
};

// --- Signals ---

// Counts the signals that are sent to the process, whether it ignores them or not.
class SignalNote final : public LifeNote, public mem::FromCache<SignalNote> {
 public:
  Result<> attach() override {
    if (setting.ident == 0 || setting.ident > process::kSignalCount) return Error(Errno::Inval);
    {
      sync::SpinGuard guard(queue->lock);
      setting.flags |= kEventClear;
    }
    const Ref<LifeWatchers> watchers = TRY(make_watchers(process::current().process()));
    sync::SpinGuard guard(watchers->lock);
    return enroll(*watchers);
  }
  bool take(Kevent& event) override {
    sync::SpinGuard guard(queue->lock);
    event.data = count_;
    count_ = 0;
    return event.data != 0;
  }
  void sent(int signal) {
    if (setting.ident != static_cast<uint64_t>(signal)) return;
    Kqueue& home = *queue;
    {
      sync::SpinGuard guard(home.lock);
      count_++;
      home.enqueue(*this);
    }
    home.announce();
  }

 private:
  int64_t count_ = 0;  // Kqueue::lock
};

// --- Life events ---

template <class Note>
Note* as_note(process::LifeWatcher& watcher) {
  constexpr int16_t kFilter = std::is_same_v<Note, ProcessNote> ? kFilterProcess : kFilterSignal;
  if (watcher.is_bookmark) return nullptr;
  auto& note = static_cast<LifeNote&>(watcher);
  return note.setting.filter == kFilter ? static_cast<Note*>(&note) : nullptr;
}

constexpr unsigned kPiece = 32;   // how many are gone through with interrupts off

// Those that come meanwhile are in front, and not met.
template <class Function>
void for_each_process_note(LifeWatchers& watchers, Function&& function) {
  process::LifeWatcher place;
  place.is_bookmark = true;
  watchers.lock.lock();
  auto next = watchers.list.begin();
  for (unsigned i = 1; next != watchers.list.end(); i++) {
    process::LifeWatcher& watcher = *next++;
    if (auto* note = as_note<ProcessNote>(watcher)) function(*note);
    if (i % kPiece != 0) continue;
    watchers.list.insert(next, place);
    watchers.lock.unlock();
    watchers.lock.lock();
    next = watchers.list.erase(watchers.list.iterator_to(place));
  }
  watchers.lock.unlock();
}

class Subscriber final : public process::LifeSubscriber {
 public:
  // One unbound knote for each that follows the parent; a chain whose head is the token.
  Result<> reserve_fork(Process& parent, const process::ForkRequest&, uintptr_t& token) override {
    token = 0;
    LifeWatchers* const watchers = watchers_of(parent);
    if (watchers == nullptr) [[likely]] return {};
    unsigned followers = 0;
    for_each_process_note(*watchers, [&](ProcessNote& note) { followers += note.tracks(); });
    Ref<ProcessNote> head;
    while (followers-- != 0) {
      auto note = mem::make_ref<ProcessNote>();
      auto childs = mem::make_ref<LifeWatchers>();
      if (!note || !childs) break;  // NOTE_TRACKERR will tell
      (*note)->next_reserved = std::move(head);
      (*note)->reserved_watchers = std::move(*childs);
      head = std::move(*note);
    }
    token = reinterpret_cast<uintptr_t>(head.detach());
    return {};
  }

  void cancel_fork(uintptr_t token) override { release_chain(take_back(token)); }

  void forked(Process& parent, Process& child, const process::ForkRequest&, uintptr_t token) override {
    Ref<ProcessNote> reserved = take_back(token);
    if (LifeWatchers* const watchers = watchers_of(parent)) [[unlikely]]
      for_each_process_note(*watchers, [&](ProcessNote& note) { note.forked(parent, child, reserved); });
    release_chain(std::move(reserved));   // what is left over, when no lock is held
  }

  void executed(Process& process) override {
    LifeWatchers* const watchers = watchers_of(process);
    if (watchers == nullptr) [[likely]] return;
    for_each_process_note(*watchers, [](ProcessNote& note) { note.executed(); });
  }

  void exited(Process& process) override {
    LifeWatchers* const watchers = watchers_of(process);
    if (watchers == nullptr) [[likely]] return;
    while (exit_some(*watchers, process.exit_status)) {
    }
  }

  void signalled(Process& process, int signal) override {
    LifeWatchers* const watchers = watchers_of(process);
    if (watchers == nullptr) [[likely]] return;
    sync::SpinGuard guard(watchers->lock);
    for (process::LifeWatcher& watcher : watchers->list)
      if (auto* note = as_note<SignalNote>(watcher)) note->sent(signal);
  }

 private:
  // True: there may be more. No fork of the process is under way any more, so there are no bookmarks.
  static bool exit_some(LifeWatchers& watchers, int status) {
    sync::SpinGuard guard(watchers.lock);
    for (unsigned i = 0; i < kPiece && !watchers.list.empty(); i++) {
      auto& note = static_cast<LifeNote&>(watchers.list.front());
      note.withdraw(watchers);
      if (auto* of_process = as_note<ProcessNote>(note)) of_process->exited(status);
    }
    return !watchers.list.empty();
  }
  // One after the other: a chain as long as a program likes must not be destroyed by recursion.
  static void release_chain(Ref<ProcessNote> head) {
    while (head != nullptr) {
      Ref<ProcessNote> rest = std::move(head->next_reserved);
      head = std::move(rest);
    }
  }
  static Ref<ProcessNote> take_back(uintptr_t token) {
    return Ref<ProcessNote>(reinterpret_cast<ProcessNote*>(token), false);
  }
};

Late<Subscriber> subscriber;

}  // namespace

Result<Ref<Knote>> make_life_note(const Kevent& change) {
  if (change.filter == kFilterSignal) return Ref<Knote>(TRY(mem::make_ref<SignalNote>()));
  return Ref<Knote>(TRY(mem::make_ref<ProcessNote>()));
}

Result<> init_life_notes() {
  return process::subscribe(subscriber.construct());
}

}  // namespace tine::event
