// SPDX-License-Identifier: BSD-2-Clause
// kqueue(2): a set of knotes, each of which watches one thing (a file, a process, a signal, a timer, ...),
// and the list of those that may have something to report. Source: Lemon, "Kqueue: A generic and scalable
// event notification facility" (USENIX 2001); kqueue(2) of FreeBSD, whose struct kevent this is.
//
// A knote is put on the active list by whatever it watches, and asked for its event when somebody collects;
// so waiting costs in proportion to what happened. Knotes hold no reference to a watched file
// (file/close_watch.h).
//
// Locks, in order: Kqueue::mutex (registering, collecting) -> the watched object's queue locks, process's list of
// watchers -> Kqueue::lock (the set, the active list, the state of knotes) -> Kqueue's wait queue.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <compare>

#include "file/file.h"
#include "identity/charge.h"
#include "process/ids.h"

namespace tine::process {
class Process;
}

namespace tine::event {

// struct kevent.
struct Kevent {
  uint64_t ident = 0;
  int16_t filter = 0;
  uint16_t flags = 0;
  uint32_t fflags = 0;
  int64_t data = 0;
  uint64_t udata = 0;
  uint64_t ext[4] = {};
};
static_assert(sizeof(Kevent) == 64);

// Filters.
inline constexpr int16_t kFilterRead = -1, kFilterWrite = -2, kFilterVnode = -4, kFilterProcess = -5,
                         kFilterSignal = -6, kFilterTimer = -7, kFilterDescriptor = -8, kFilterUser = -11;
// Fflags that more than one filter has.
inline constexpr uint32_t kNoteExit = 0x80000000;
// Kevent::flags.
inline constexpr uint16_t kEventAdd = 0x0001, kEventDelete = 0x0002, kEventEnable = 0x0004,
                          kEventDisable = 0x0008, kEventOneShot = 0x0010, kEventClear = 0x0020,
                          kEventReceipt = 0x0040, kEventDispatch = 0x0080, kEventForceOneShot = 0x0100,
                          kEventKeepUdata = 0x0200, kEventError = 0x4000, kEventEof = 0x8000;

class Kqueue;

// One registration. It lives in its kqueue's tree, which holds a reference; CloseWatcher gives the counting.
class Knote : public file::CloseWatcher {
 public:
  struct Key {
    int16_t filter;
    uint64_t ident;
    auto operator<=>(const Key&) const = default;
  };
  Key key() const { return {setting.filter, setting.ident}; }

  // Starts and stops watching. Kqueue::mutex held, no spinlock.
  virtual Result<> attach() = 0;
  virtual void detach() = 0;
  // kevent(2) names a registered knote again. Kqueue::mutex held, no spinlock.
  virtual Result<> change(const Kevent& change);
  // Fills in what there is to report: data, fflags, more flags. False: nothing. Kqueue::mutex held, no
  // spinlock.
  virtual bool take(Kevent& event) = 0;
  // Whether it can have something to report now. True costs a look when events are collected; but a kqueue is
  // readable as long as a knote of it is active. Kqueue::mutex held, no spinlock.
  virtual bool ready() { return true; }
  // The open file that it watches, if it does; only for comparing.
  virtual const file::File* watched_file() const { return nullptr; }
  void file_closing(file::File&) override {}

  identity::Charge<identity::Kept::Knotes> charge;   // to the user who made the kqueue
  Ref<Kqueue> queue;
  Kevent setting;        // as registered, without the flags that are commands (Kqueue::lock)
  bool enabled = true;   // (Kqueue::lock)
  bool dropped = false;  // nothing can come any more and nobody asked to hear so (Kqueue::lock)
  bool removed = false;  // no longer in its set (Kqueue::mutex)

  boost::intrusive::set_member_hook<> tree_hook;
  boost::intrusive::list_member_hook<> active_hook;

 protected:
  void activate();  // takes Kqueue::lock
};

class Kqueue final : public RefCounted<Kqueue>, public mem::FromCache<Kqueue> {
 public:
  // One element of a change list, for the running thread. Errors: NoEnt, BadF, Srch, Inval, NoMem.
  Result<> apply(const Kevent& change);
  // Stores up to `most` events at `into`, waiting until there is one or `deadline` passes (uptime; 0: do not
  // wait). Errors: Intr, Fault.
  Result<unsigned> wait(uintptr_t into, unsigned most, Nanoseconds deadline);
  bool poll(file::Poller* poller);
  size_t active_count();  // of knotes that may have something to report
  void close();  // the kqueue's file goes

  // For knotes.
  void enqueue(Knote& note) REQUIRES(lock);  // announce() after letting go of the lock
  void announce();
  void remove(Knote& note) REQUIRES(mutex);
  // A knote that nobody registered: that of a tracked child. False: the kqueue closes, or has one of that
  // key, or its user as many knotes as may be.
  bool adopt(Knote& note);

  sync::Mutex mutex{"kqueue"};
  sync::Spinlock lock{"knotes"};
  const identity::Payer owner = identity::current_payer();   // who made it

 private:
  struct KeyOf {
    using type = Knote::Key;
    type operator()(const Knote& note) const { return note.key(); }
  };
  using Tree = boost::intrusive::set<
      Knote, boost::intrusive::member_hook<Knote, boost::intrusive::set_member_hook<>, &Knote::tree_hook>,
      boost::intrusive::key_of_value<KeyOf>>;
  using Active = boost::intrusive::list<
      Knote, boost::intrusive::member_hook<Knote, boost::intrusive::list_member_hook<>, &Knote::active_hook>>;

  Ref<Knote> find(Knote::Key key);
  Result<> add(const Kevent& change, file::File* file) REQUIRES(mutex);
  Result<unsigned> collect(uintptr_t into, unsigned most);
  Ref<Knote> take_active();
  bool has_active() { return active_count() != 0; }
  // Whether it is active again.
  bool after_report(Knote& note, uint16_t flags) REQUIRES(mutex);

  Tree notes_ GUARDED_BY(lock);
  Active active_ GUARDED_BY(lock);
  uint32_t without_file_ GUARDED_BY(lock) = 0;  // knotes that no open file stands for
  bool closed_ GUARDED_BY(lock) = false;
  sched::WaitQueue arrived_{"kqread"};
};

// A descriptor of a kqueue. As on the BSDs a forked child does not inherit it. Tine's fork shares the whole
// table by its root and cannot leave one entry out, so the child's descriptor keeps its number until it is
// closed, but every use of it is EBADF, close(2) included.
class KqueueFile final : public file::File, public mem::FromCache<KqueueFile> {
 public:
  static constexpr char kType = 0;
  KqueueFile(Ref<Kqueue> queue, const process::Process& owner);
  ~KqueueFile() override { queue_->close(); }
  Kqueue& queue() { return *queue_; }
  // The process that made it, or one that shares the descriptor table that it was made in.
  bool usable_by(const process::Process& process) const;
  file::PollEvents poll(file::Poller* poller) override {
    return queue_->poll(poller) ? file::kPollIn | file::kPollRdNorm : 0;
  }
  Result<> stat(file::Stat& stat) override;
  const char* kind() const override { return "anon_inode:[kqueue]"; }
  const void* type() const override { return &kType; }

 private:
  const Ref<Kqueue> queue_;
  const process::PidNumber owner_;
  const void* const table_;  // an identity only
};

// What makes knotes of each kind; the caller sets `queue` and `setting`.
Result<Ref<Knote>> make_file_note(const Kevent& change, file::File& file);  // read, write, vnode; Inval
Result<Ref<Knote>> make_kqueue_note(const Kevent& change, KqueueFile& watched);  // Inval
Result<Ref<Knote>> make_life_note(const Kevent& change);                    // process, signal
Result<Ref<Knote>> make_timer_note();
Result<Ref<Knote>> make_user_note();

// Tells the kqueues that watch others what has happened to those so far. No lock held.
void pass_wakeups_on();

// At boot.
void init_kqueue_notes();
Result<> init_life_notes();

}  // namespace tine::event
