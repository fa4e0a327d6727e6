// SPDX-License-Identifier: BSD-2-Clause
// kqueue: registering, waking, collecting.
#include "event/kqueue.h"

#include <algorithm>

#include "process/process.h"
#include "vm/user_ptr.h"

namespace tine::event {

using file::File;

namespace {

// What kevent(2) does once, as opposed to what a knote keeps.
constexpr uint16_t kCommands = kEventAdd | kEventDelete | kEventEnable | kEventDisable | kEventReceipt |
                               kEventForceOneShot | kEventKeepUdata | kEventError | kEventEof;

Result<Ref<Knote>> make_note(const Kevent& change, File* file) {
  switch (change.filter) {
    case kFilterRead:
    case kFilterWrite:
    case kFilterVnode:
    case kFilterDescriptor:
      return make_file_note(change, *file);
    case kFilterProcess:
    case kFilterSignal:
      return make_life_note(change);
    case kFilterTimer:
      return make_timer_note();
    case kFilterUser:
      return make_user_note();
    default:
      return Error(Errno::Inval);
  }
}

bool is_file_filter(int16_t filter) {
  return filter == kFilterRead || filter == kFilterWrite || filter == kFilterVnode || filter == kFilterDescriptor;
}

// Knotes of files are bounded by the descriptors that a process may have; this bounds the others.
constexpr uint32_t kMostWithoutFile = 65536;

}  // namespace

// --- Knotes ---

void Knote::activate() {
  Kqueue& home = *queue;
  {
    sync::SpinGuard guard(home.lock);
    home.enqueue(*this);
  }
  home.announce();
}

Result<> Knote::change(const Kevent& change) {
  sync::SpinGuard guard(queue->lock);
  setting.fflags = change.fflags;
  setting.data = change.data;
  return {};
}

// --- Registering ---

Ref<Knote> Kqueue::find(Knote::Key key) {
  sync::SpinGuard guard(lock);
  const auto found = notes_.find(key);
  return found == notes_.end() ? nullptr : Ref<Knote>(&*found);
}

Result<> Kqueue::apply(const Kevent& change) {
  // Outlives the guard: a file's last release takes the mutex.
  Ref<File> file;
  if (is_file_filter(change.filter)) {
    const bool possible = change.ident < file::kMaxDescriptors;
    file =
        TRY(process::current().process().descriptors()->get(possible ? static_cast<int>(change.ident) : -1));
  }
  sync::MutexGuard guard(mutex);
  Ref<Knote> note = find({change.filter, change.ident});
  // A descriptor that was closed and given out again is another file.
  if (note != nullptr && note->watched_file() != file.get()) {
    remove(*note);
    note = nullptr;
  }
  if (note == nullptr) return change.flags & kEventAdd ? add(change, file.get()) : Error(Errno::NoEnt);
  if (change.flags & kEventDelete) {
    remove(*note);
    return {};
  }
  TRY(note->change(change));
  const bool ready = note->ready();
  bool look_again;
  {
    sync::SpinGuard state_guard(lock);
    if (!(change.flags & kEventKeepUdata)) note->setting.udata = change.udata;
    std::copy_n(change.ext, 4, note->setting.ext);
    if (change.flags & kEventAdd) note->setting.flags |= change.flags & ~kCommands;
    if (change.flags & kEventDisable) note->enabled = false;
    if (change.flags & kEventEnable) note->enabled = true;
    look_again = note->enabled && ready;
    if (look_again) enqueue(*note);  // whether there is something to report shows when it is asked
  }
  if (look_again) announce();
  return {};
}

Result<> Kqueue::add(const Kevent& change, File* file) {
  auto charge = TRY(identity::Charge<identity::Kept::Knotes>::take(owner, Errno::NoMem));   // FreeBSD's for too many timers
  Ref<Knote> note = TRY(make_note(change, file));
  note->charge = std::move(charge);
  note->queue = this;
  note->setting = change;
  note->setting.flags &= ~kCommands;
  note->enabled = !(change.flags & kEventDisable);
  {
    sync::SpinGuard guard(lock);
    if (file == nullptr && without_file_ >= kMostWithoutFile) return Error(Errno::NoMem);
    if (!notes_.insert(*note).second) return Error(Errno::Exist);  // a tracked child got there first
    if (file == nullptr) without_file_++;
  }
  intrusive_ptr_add_ref(note.get());  // the set's
  if (auto attached = note->attach(); !attached) {
    remove(*note);
    return attached;
  }
  return {};
}

bool Kqueue::adopt(Knote& note) {
  auto charge = identity::Charge<identity::Kept::Knotes>::take(owner, Errno::NoMem);
  if (!charge) return false;
  note.charge = std::move(*charge);
  {
    sync::SpinGuard guard(lock);
    if (closed_ || without_file_ >= kMostWithoutFile || !notes_.insert(note).second) return false;
    without_file_++;
    intrusive_ptr_add_ref(&note);
    enqueue(note);
  }
  announce();
  return true;
}

void Kqueue::remove(Knote& note) {
  Ref<Knote> until_done(&note);
  note.detach();
  {
    sync::SpinGuard guard(lock);
    if (note.active_hook.is_linked()) active_.erase(active_.iterator_to(note));
    notes_.erase(notes_.iterator_to(note));
    if (note.watched_file() == nullptr) without_file_--;
  }
  note.removed = true;
  intrusive_ptr_release(&note);
}

void Kqueue::close() {
  sync::MutexGuard guard(mutex);
  while (true) {
    Ref<Knote> note;
    {
      sync::SpinGuard state_guard(lock);
      closed_ = true;
      if (notes_.empty()) return;
      note = Ref<Knote>(&*notes_.begin());
    }
    remove(*note);
  }
}

// --- Waking ---

void Kqueue::enqueue(Knote& note) {
  if (!note.active_hook.is_linked() && note.tree_hook.is_linked()) active_.push_back(note);
}

void Kqueue::announce() {
  if (arrived_.has_waiters()) arrived_.wake_all(file::kPollIn | file::kPollRdNorm);
}

size_t Kqueue::active_count() {
  sync::SpinGuard guard(lock);
  return active_.size();
}

bool Kqueue::poll(file::Poller* poller) {
  if (poller != nullptr) poller->watch(arrived_);
  return has_active();
}

// --- Collecting ---

Ref<Knote> Kqueue::take_active() {
  sync::SpinGuard guard(lock);
  if (active_.empty()) return nullptr;
  Ref<Knote> note(&active_.front());
  active_.pop_front();
  return note;
}

// What a reported knote does next: goes, sleeps, waits for the next time, or (level-triggered) stays active.
bool Kqueue::after_report(Knote& note, uint16_t flags) {
  if (flags & kEventOneShot) {
    remove(note);
    return false;
  }
  sync::SpinGuard guard(lock);
  if (flags & kEventDispatch) note.enabled = false;
  if (flags & (kEventDispatch | kEventClear)) return false;
  enqueue(note);
  return true;
}

Result<unsigned> Kqueue::collect(uintptr_t into, unsigned most) {
  sync::MutexGuard guard(mutex);
  size_t to_look_at;
  {
    sync::SpinGuard state_guard(lock);
    to_look_at = active_.size();  // level-triggered ones go back to the end: look at each but once
  }
  unsigned stored = 0;
  bool active_again = false, fault = false;
  for (; to_look_at != 0 && stored < most && !fault; to_look_at--) {
    const Ref<Knote> note = take_active();
    if (note == nullptr) break;
    Kevent event;
    bool enabled, dropped;
    {
      sync::SpinGuard state_guard(lock);
      event = note->setting;
      event.fflags = 0;
      event.data = 0;
      enabled = note->enabled;
      dropped = note->dropped;
    }
    if (dropped) {
      remove(*note);
      continue;
    }
    if (!enabled || !note->take(event)) continue;
    fault = !vm::copy_out(into + stored * sizeof event, &event, sizeof event);
    if (fault) {  // what it tells but once is lost, as on FreeBSD
      sync::SpinGuard state_guard(lock);
      enqueue(*note);
    } else {
      stored++;
    }
    if (fault || after_report(*note, event.flags)) active_again = true;
  }
  // Who looked in the meantime did not see it.
  if (active_again) announce();
  if (fault && stored == 0) return Error(Errno::Fault);
  return stored;
}

Result<unsigned> Kqueue::wait(uintptr_t into, unsigned most, Nanoseconds deadline) {
  while (true) {
    pass_wakeups_on();
    if (const unsigned stored = TRY(collect(into, most)); stored != 0 || deadline == 0) return stored;
    const auto slept = sched::wait_until(arrived_, {.name = "kqread", .deadline = deadline},
                                         [this] { return has_active(); });
    if (slept) continue;
    if (slept.error() == Errno::TimedOut) return 0u;
    return Error(Errno::Intr);  // never restarted: the time that is left is not known
  }
}

// --- The open file ---

KqueueFile::KqueueFile(Ref<Kqueue> queue, const process::Process& owner)
    : File(file::kReadWrite, file::Path()),
      queue_(std::move(queue)),
      owner_(owner.pid()),
      table_(owner.descriptors().get()) {}

Result<> KqueueFile::stat(file::Stat& stat) {
  return usable_by(process::current().process()) ? File::stat(stat) : Error(Errno::BadF);
}

bool KqueueFile::usable_by(const process::Process& process) const {
  return process.pid() == owner_ || process.descriptors().get() == table_;
}

}  // namespace tine::event
