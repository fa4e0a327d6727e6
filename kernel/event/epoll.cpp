// SPDX-License-Identifier: BSD-2-Clause
// epoll: registering, waking, collecting.
//
// Nothing is lost between a wake-up and a wait: the waker puts the item on the ready list first and wakes
// then; a waiter looks at the list after it has marked itself as sleeping. An item taken off the list is
// looked at after that, so a wake-up that comes meanwhile puts it back.
#include "event/epoll.h"

#include "event/epoll_nesting.h"
#include "vm/user_ptr.h"

namespace tine::event {

using namespace file;

namespace {

constexpr PollEvents kFlags =
    EpollInterest::kExclusive | EpollInterest::kWakeUp | EpollInterest::kOneShot | EpollInterest::kEdge;
constexpr PollEvents kAlways = kPollErr | kPollHup;

}  // namespace

// --- Items ---

// A one-shot registration that has fired has no event bits left; not even errors are reported then.
PollEvents EpollItem::wanted() const { return interest_.events & ~kFlags; }

PollEvents EpollItem::look(Watch watching) {
  if (nested_ != nullptr) return nested_->poll(nullptr) ? (kPollIn | kPollRdNorm) & wanted() : 0;
  return file_.poll(watching == Watch::Start ? this : nullptr) & wanted();
}

void EpollItem::watch(sched::WaitQueue& queue) {
  for (Source& source : sources_)
    if (!source.in_use()) return source.start(*this, queue);
  auto source = mem::make<Source>();
  if (!source) {
    out_of_memory_ = true;
    return;
  }
  (*source)->next = more_sources_;
  more_sources_ = *source;
  (*source)->start(*this, queue);
}

void EpollItem::stop_watching() {
  PollEvents untaken = 0;
  if (exclusive()) {
    sync::SpinGuard guard(set_->ready_lock_);
    if (is_ready_listed()) untaken = wanted();
  }
  const auto stop = [untaken](Source& source) { untaken != 0 ? source.stop_and_pass_on(untaken) : source.stop(); };
  for (Source& source : sources_) stop(source);
  while (Source* source = more_sources_) {
    more_sources_ = source->next;
    stop(*source);
    delete source;
  }
  EpollNesting::remove(*this);
}

void EpollItem::file_closing(File&) {
  Ref<EpollSet> set = set_;  // removing drops the set's reference to this item; the caller holds another
  sync::MutexGuard guard(set->mutex_);
  if (!removed_) set->remove_item(*this);
}

// --- The set ---

EpollSet::~EpollSet() { ASSERT(items_.empty()); }

EpollItem* EpollSet::find(const File& file, int descriptor) {
  const auto found = items_.find(ItemKey{&file, descriptor});
  return found == items_.end() ? nullptr : &*found;
}

Result<> EpollSet::add(Ref<File> file, int descriptor, EpollInterest interest) {
  auto* nested = file_cast<EpollFile>(*file);
  if (nested == nullptr) return add_file(*file, descriptor, interest, nullptr);
  if (interest.events & EpollInterest::kExclusive) return Error(Errno::Inval);
  sync::MutexGuard guard(EpollNesting::linking_mutex);
  return add_file(*file, descriptor, interest, &nested->set());
}

Result<> EpollSet::add_file(File& file, int descriptor, EpollInterest interest, EpollSet* nested) {
  interest.events |= kAlways;
  sync::MutexGuard guard(mutex_);
  if (find(file, descriptor) != nullptr) return Error(Errno::Exist);
  auto charge = TRY(EpollItem::Charge::take(identity::Payer{.user = owner_, .privileged = false}, Errno::NoSpc));
  Ref<EpollItem> item = TRY(mem::make_ref<EpollItem>(*this, file, descriptor, interest));
  item->charge_ = std::move(charge);
  item->nested_ = nested;
  TRY(EpollNesting::add(*item));
  items_.insert(*item);
  intrusive_ptr_add_ref(item.get());  // the set's
  file.close_watchers.add(*item);

  const PollEvents ready = item->look(EpollItem::Watch::Start);
  if (item->out_of_memory_) {
    remove_item(*item);
    return Error(Errno::NoMem);
  }
  if (ready != 0) item_woken(*item, ready);
  return {};
}

Result<> EpollSet::modify(File& file, int descriptor, EpollInterest interest) {
  sync::MutexGuard guard(mutex_);
  EpollItem* item = find(file, descriptor);
  if (item == nullptr) return Error(Errno::NoEnt);
  if (item->exclusive() || (interest.events & EpollInterest::kExclusive)) return Error(Errno::Inval);
  interest.events |= kAlways;
  {
    sync::SpinGuard ready_guard(ready_lock_);
    item->interest_ = interest;
  }
  // After the store: a wake-up that the old interest left out is seen here.
  if (const PollEvents ready = item->look(EpollItem::Watch::No)) item_woken(*item, ready);
  return {};
}

Result<> EpollSet::remove(File& file, int descriptor) {
  sync::MutexGuard guard(mutex_);
  EpollItem* item = find(file, descriptor);
  if (item == nullptr) return Error(Errno::NoEnt);
  remove_item(*item);
  return {};
}

void EpollSet::remove_all() {
  sync::MutexGuard guard(mutex_);
  while (!items_.empty()) remove_item(*items_.begin());
}

// Off the file's queues first: the file is whole at least until its list of watchers has let go of the item.
void EpollSet::remove_item(EpollItem& item) {
  item.stop_watching();
  {
    sync::SpinGuard guard(ready_lock_);
    if (item.is_ready_listed()) {
      ready_.erase(ready_.iterator_to(item));
      ready_count_--;
    }
  }
  items_.erase(items_.iterator_to(item));
  item.removed_ = true;
  item.file_.close_watchers.remove(item);
  intrusive_ptr_release(&item);
}

// --- Waking ---

bool EpollSet::item_woken(EpollItem& item, PollEvents events) {
  bool exclusive;
  {
    sync::SpinGuard guard(ready_lock_);
    if ((item.wanted() & events) == 0 || item.is_ready_listed()) return false;
    ready_.push_back(item);
    ready_count_++;
    exclusive = item.exclusive();
  }
  return announce_ready() && exclusive;
}

bool EpollSet::announce_ready() {
  const bool woken = waiting_.wake_one() != 0;
  pollers_.wake_all(kPollIn | kPollRdNorm);
  watchers_lock_.lock_nested();  // inner before outer; EpollNesting keeps that free of cycles
  for (EpollItem& watcher : watchers_) watcher.set_->item_woken(watcher, kPollIn | kPollRdNorm);
  watchers_lock_.unlock();
  return woken;
}

bool EpollSet::has_ready() {
  sync::SpinGuard guard(ready_lock_);
  return !ready_.empty() || looking_;
}

// --- Collecting ---

// Takes the items off the ready list one by one, each but once: level-triggered ones go back to its end. Until it is
// done the set counts as ready, though the list may be empty; whoever asks then waits for the mutex and sees what came
// of it. With nothing to look at it does not count, or two threads could keep each other from sleeping for ever.
class EpollSet::Look {
 public:
  explicit Look(EpollSet& set) REQUIRES(set.mutex_) : set_(set) {
    sync::SpinGuard guard(set_.ready_lock_);
    left_ = set_.ready_count_;
    set_.looking_ = left_ != 0;
  }
  Look(const Look&) = delete;
  Look& operator=(const Look&) = delete;
  ~Look() {
    sync::SpinGuard guard(set_.ready_lock_);
    set_.looking_ = false;
  }

  EpollItem* next() {
    sync::SpinGuard guard(set_.ready_lock_);
    if (left_ == 0 || set_.ready_.empty()) return nullptr;
    left_--;
    EpollItem& item = set_.ready_.front();
    set_.ready_.pop_front();
    set_.ready_count_--;
    return &item;
  }

 private:
  EpollSet& set_;
  size_t left_;
};

void EpollSet::put_back(EpollItem& item) {
  sync::SpinGuard guard(ready_lock_);
  if (item.is_ready_listed()) return;
  ready_.push_back(item);
  ready_count_++;
}

Result<unsigned> EpollSet::collect(uintptr_t into, unsigned most) {
  sync::MutexGuard guard(mutex_);
  unsigned stored = 0;
  bool fault = false;
  {
    Look look(*this);
    while (stored < most) {
      EpollItem* item = look.next();
      if (item == nullptr) break;
      const PollEvents events = item->look(EpollItem::Watch::No);
      if (events == 0) continue;
      const EpollEvent event{events, item->interest_.data};
      if (!vm::copy_out(into + stored * sizeof event, &event, sizeof event)) {
        put_back(*item);
        fault = stored == 0;
        break;
      }
      stored++;
      if (item->one_shot()) {
        sync::SpinGuard ready_guard(ready_lock_);
        item->interest_.events &= kFlags;
      } else if (!item->edge_triggered()) {
        put_back(*item);
      }
    }
  }
  // More for others to take: each wake-up of a set wakes but one waiter, which may not have room for all.
  if (has_ready() && waiting_.has_waiters()) waiting_.wake_one();
  if (fault) return Error(Errno::Fault);
  return stored;
}

Result<unsigned> EpollSet::wait(uintptr_t into, unsigned most, Nanoseconds deadline) {
  while (true) {
    if (has_ready()) {
      const unsigned stored = TRY(collect(into, most));
      if (stored != 0) return stored;
      if (deadline != 0) sched::maybe_yield();
    }
    if (deadline == 0) return 0;
    const auto woken =
        sched::wait_until(waiting_, {.name = "epoll", .deadline = deadline}, [this] { return has_ready(); });
    if (!woken) {
      if (woken.error() == Errno::TimedOut) return 0;
      return Error(Errno::Intr);  // never restarted: epoll_wait(2)
    }
  }
}

bool EpollSet::poll(Poller* poller) {
  if (poller != nullptr) poller->watch(pollers_);
  if (!has_ready()) return false;
  // The list says "may be ready": look, and drop those that are not any more.
  mutex_.lock_nested();  // outer before nested
  bool ready = false;
  {
    Look look(*this);
    while (EpollItem* item = ready ? nullptr : look.next()) {
      if (item->look(EpollItem::Watch::No) == 0) continue;
      put_back(*item);
      ready = true;
    }
  }
  mutex_.unlock();
  return ready;
}

}  // namespace tine::event
