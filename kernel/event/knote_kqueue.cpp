// SPDX-License-Identifier: BSD-2-Clause
// EVFILT_READ on a kqueue: one kqueue watches another. A wake-up comes under the wait queue's lock of the watched one,
// and kqueues have no order among themselves; they may even watch each other. So it is only noted, and passed on with no
// lock held, by a timer or by whoever collects next. Each step makes one knote active, and one that was active already
// passes nothing on: that ends in a circle of kqueues too, and needs no more stack for a longer chain.
#include <atomic>

#include "base/late.h"
#include "event/knote_file.h"
#include "sched/timer.h"

namespace tine::event {

namespace {

class KqueueNote final : public FileNote, public mem::FromCache<KqueueNote> {
 public:
  explicit KqueueNote(KqueueFile& file) : FileNote(file), watched_(file.queue()) {}
  bool ready() override { return watched_.active_count() != 0; }
  bool take(Kevent& event) override {
    event.data = static_cast<int64_t>(watched_.active_count());
    return event.data != 0;
  }
  void pass_on();

  boost::intrusive::list_member_hook<> woken_hook;

 private:
  void start_watching() override { (void)file_.poll(this); }
  void woken(uint32_t) override;

  Kqueue& watched_;  // as long as the file is open
};

using WokenNotes = boost::intrusive::list<
    KqueueNote, boost::intrusive::member_hook<KqueueNote, boost::intrusive::list_member_hook<>, &KqueueNote::woken_hook>,
    boost::intrusive::constant_time_size<false>>;

void pass_some_on(sched::Timer&);

constexpr unsigned kMostInInterrupt = 64;
// After a kqueue's wait queue, before the timers.
constinit sync::Spinlock woken_lock{"woken knotes"};
Late<WokenNotes> woken_notes GUARDED_BY(woken_lock);  // with a reference to each
constinit std::atomic<bool> any_woken{false};
Late<sched::Timer> passing_timer;

Ref<KqueueNote> take_woken() {
  if (!any_woken.load()) return nullptr;
  sync::SpinGuard guard(woken_lock);
  if (woken_notes->empty()) return nullptr;
  Ref<KqueueNote> note(&woken_notes->front(), /*add_ref=*/false);
  woken_notes->pop_front();
  any_woken.store(!woken_notes->empty());
  return note;
}

void KqueueNote::woken(uint32_t) {
  sync::SpinGuard guard(woken_lock);
  if (woken_hook.is_linked()) return;
  intrusive_ptr_add_ref(this);
  woken_notes->push_back(*this);
  any_woken.store(true);
  if (!passing_timer->armed()) passing_timer->arm(0);
}

void KqueueNote::pass_on() {
  Kqueue& home = *queue;
  {
    sync::SpinGuard guard(home.lock);
    if (active_hook.is_linked()) return;
    home.enqueue(*this);
  }
  home.announce();
}

// Interrupts must not stay off for as long as a chain of kqueues may be.
void pass_some_on(sched::Timer&) {
  for (unsigned i = 0; i < kMostInInterrupt; i++) {
    const Ref<KqueueNote> note = take_woken();
    if (note == nullptr) return;
    note->pass_on();
  }
  sync::SpinGuard guard(woken_lock);
  if (!woken_notes->empty()) passing_timer->arm(0);
}

}  // namespace

void init_kqueue_notes() {
  sync::SpinGuard guard(woken_lock);
  woken_notes.construct();
  passing_timer.construct(pass_some_on);
}

Result<Ref<Knote>> make_kqueue_note(const Kevent& change, KqueueFile& watched) {
  if (change.filter != kFilterRead) return Error(Errno::Inval);
  return Ref<Knote>(TRY(mem::make_ref<KqueueNote>(watched)));
}

void pass_wakeups_on() {
  while (const Ref<KqueueNote> note = take_woken()) note->pass_on();
}

}  // namespace tine::event
