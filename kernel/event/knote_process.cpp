// SPDX-License-Identifier: BSD-2-Clause
// EVFILT_PROC and EVFILT_SIGNAL: knotes of processes, told by the life events. A knote with NOTE_TRACK
// follows forks: the child's knote is taken in the fork's reserve phase, so that announcing cannot fail;
// where there was no memory for it, the fork goes on and the parent's knote says NOTE_TRACKERR. Seed row T1.
// Lock: notes_lock, after Process::lock and before Kqueue::lock.
#include <array>

#include "base/late.h"
#include "event/kqueue.h"
#include "process/life_events.h"
#include "process/process.h"

namespace tine::event {

namespace {

using process::PidNumber;
using process::Process;

constexpr uint32_t kNoteFork = 0x40000000, kNoteExec = 0x20000000, kNoteTrack = 1,
                   kNoteTrackError = 2, kNoteChild = 4;

// A knote of a process. It is in a bucket from attach() until detach() or the process's end.
class LifeNote : public Knote, public boost::intrusive::list_base_hook<boost::intrusive::tag<LifeNote>> {
 public:
  Process* subject = nullptr;  // notes_lock
  void detach() override;
};

using Bucket = boost::intrusive::list<
    LifeNote, boost::intrusive::base_hook<boost::intrusive::list_base_hook<boost::intrusive::tag<LifeNote>>>,
    boost::intrusive::constant_time_size<false>>;
constexpr size_t kBuckets = 64;

constinit sync::Spinlock notes_lock{"life notes"};
Late<std::array<Bucket, kBuckets>> buckets;
std::atomic<uint32_t> note_count{0};  // most systems have none: then an event costs one load

Bucket& bucket_of(const Process& process) {
  return (*buckets)[static_cast<size_t>(process.pid()) % kBuckets];
}

void enroll(LifeNote& note, Process& process) REQUIRES(notes_lock) {
  note.subject = &process;
  bucket_of(process).push_front(note);  // in front: whoever walks the bucket does not meet it
  note_count.fetch_add(1);
}

void withdraw(LifeNote& note) REQUIRES(notes_lock) {
  if (note.subject == nullptr) return;
  Bucket& bucket = bucket_of(*note.subject);
  bucket.erase(bucket.iterator_to(note));
  note.subject = nullptr;
  note_count.fetch_sub(1);
}

void LifeNote::detach() {
  sync::SpinGuard guard(notes_lock);
  withdraw(*this);
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
    sync::SpinGuard guard(notes_lock);
    enroll(*this, *process);
    // The end counts the notes after it has set the flag: it is seen here, or told later.
    if (process->flags.load() & process::kExiting) {
      withdraw(*this);
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

  void forked(Process& child, Ref<ProcessNote>& reserved) {
    notes_lock.assert_held();
    uint32_t events = kNoteFork;
    if (setting.fflags & kNoteTrack && !follow(child, reserved)) events |= kNoteTrackError;
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
  Ref<ProcessNote> next_reserved;  // in a fork's reservation

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

  bool follow(Process& child, Ref<ProcessNote>& reserved) REQUIRES(notes_lock) {
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
    note->parent_ = subject->pid();
    note->happened_ = kNoteChild;
    if (!queue->adopt(*note)) return false;
    enroll(*note, child);
    return true;
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
    sync::SpinGuard guard(notes_lock);
    enroll(*this, process::current().process());
    return {};
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

template <class Note, class Function>
void for_each_note(Process& process, Function&& function) REQUIRES(notes_lock) {
  constexpr int16_t kFilter = std::is_same_v<Note, ProcessNote> ? kFilterProcess : kFilterSignal;
  for (LifeNote& note : bucket_of(process))
    if (note.subject == &process && note.setting.filter == kFilter) function(static_cast<Note&>(note));
}

class Subscriber final : public process::LifeSubscriber {
 public:
  // One unbound knote for each that follows the parent; a chain whose head is the token.
  Result<> reserve_fork(Process& parent, const process::ForkRequest&, uintptr_t& token) override {
    token = 0;
    if (note_count.load(std::memory_order_acquire) == 0) return {};
    unsigned followers = 0;
    {
      sync::SpinGuard guard(notes_lock);
      for_each_note<ProcessNote>(parent, [&](ProcessNote& note) { followers += note.tracks(); });
    }
    Ref<ProcessNote> head;
    while (followers-- != 0) {
      auto note = mem::make_ref<ProcessNote>();
      if (!note) break;  // NOTE_TRACKERR will tell
      (*note)->next_reserved = std::move(head);
      head = std::move(*note);
    }
    token = reinterpret_cast<uintptr_t>(head.detach());
    return {};
  }

  void cancel_fork(uintptr_t token) override { release_chain(take_back(token)); }

  void forked(Process& parent, Process& child, const process::ForkRequest&, uintptr_t token) override {
    Ref<ProcessNote> reserved = take_back(token);
    if (note_count.load(std::memory_order_acquire) != 0) {
      sync::SpinGuard guard(notes_lock);
      for_each_note<ProcessNote>(parent, [&](ProcessNote& note) { note.forked(child, reserved); });
    }
    release_chain(std::move(reserved));   // what is left over, when no lock is held
  }

  void executed(Process& process) override {
    if (note_count.load(std::memory_order_acquire) == 0) return;
    sync::SpinGuard guard(notes_lock);
    for_each_note<ProcessNote>(process, [](ProcessNote& note) { note.executed(); });
  }

  void exited(Process& process) override {
    if (note_count.load() == 0) return;
    sync::SpinGuard guard(notes_lock);
    Bucket& bucket = bucket_of(process);
    for (auto place = bucket.begin(); place != bucket.end();) {
      LifeNote& note = *place++;
      if (note.subject != &process) continue;
      withdraw(note);
      if (note.setting.filter == kFilterProcess) static_cast<ProcessNote&>(note).exited(process.exit_status);
    }
  }

  void signalled(Process& process, int signal) override {
    if (note_count.load(std::memory_order_relaxed) == 0) return;
    sync::SpinGuard guard(notes_lock);
    for_each_note<SignalNote>(process, [&](SignalNote& note) { note.sent(signal); });
  }

 private:
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
  buckets.construct();
  return process::subscribe(subscriber.construct());
}

}  // namespace tine::event
