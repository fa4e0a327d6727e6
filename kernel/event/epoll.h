// SPDX-License-Identifier: BSD-2-Clause
// epoll(7): a set of registered files and the list of those that may be ready. A file's wake-up puts its
// registration on the ready list, so that waiting costs in proportion to what is ready, not to what is
// registered. Registrations hold no reference to their file; its last release removes them
// (file/close_watch.h).
//
// The set is an object of its own under the epoll file, because a file that closes must find the set alive
// although the epoll file may be closing at the same time.
//
// Locks, in order: linking mutex -> EpollSet::mutex_ (of the outer set before the nested one) -> nesting mutex -> the watched
// files' queue locks -> EpollSet::watchers_lock_ (inner before outer) -> ready_lock_, wait queues.
#pragma once

#include <array>
#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <optional>

#include "file/file.h"
#include "identity/charge.h"

namespace tine::event {

class EpollSet;
class EpollItem;

// What EPOLL_CTL_ADD and EPOLL_CTL_MOD say about a registration.
struct EpollInterest {
  static constexpr uint32_t kExclusive = 1u << 28, kWakeUp = 1u << 29, kOneShot = 1u << 30, kEdge = 1u << 31;
  uint32_t events = 0;  // PollEvents and the flags above
  uint64_t data = 0;    // given back with each event
};

// struct epoll_event, which is packed on x86-64.
struct [[gnu::packed]] EpollEvent {
  uint32_t events;
  uint64_t data;
};

class EpollSet : public RefCounted<EpollSet>, public mem::FromCache<EpollSet> {
 public:
  ~EpollSet();

  // Errors: Exist, NoMem, Loop (a set that contains itself, or nested too deep), Inval (EPOLLEXCLUSIVE on an
  // epoll file; too many paths by which one file wakes sets, epoll_nesting.h).
  Result<> add(Ref<file::File> file, int descriptor, EpollInterest interest);
  Result<> modify(file::File& file, int descriptor,
                  EpollInterest interest);            // NoEnt; Inval for exclusive ones
  Result<> remove(file::File& file, int descriptor);  // NoEnt
  void remove_all();                                  // the epoll file closes

  // Stores up to `most` events at `into`, waiting until there is one or `deadline` passes (uptime; 0: do not
  // wait). Errors: Intr when a signal came first; Fault.
  Result<unsigned> wait(uintptr_t into, unsigned most, Nanoseconds deadline);

  // Whether wait() would find something; `poller` then hears when that may have changed.
  bool poll(file::Poller* poller);

 private:
  friend class EpollItem;
  friend class EpollNesting;

  struct ItemKey {
    const file::File* file;
    int descriptor;
    auto operator<=>(const ItemKey&) const = default;
  };
  struct KeyOf {
    using type = ItemKey;
    type operator()(const EpollItem& item) const;
  };
  class Look;
  struct TreeTag;
  struct ReadyTag;
  struct NestedTag;
  struct WatcherTag;
  struct LeafTag;
  struct FileTag;
  using TreeHook = boost::intrusive::set_base_hook<boost::intrusive::tag<TreeTag>>;
  using FileHook = boost::intrusive::set_base_hook<boost::intrusive::tag<FileTag>>;
  template <class Tag>
  using ListHook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>>;
  template <class Tag>
  using ItemList = boost::intrusive::list<EpollItem, boost::intrusive::base_hook<ListHook<Tag>>,
                                          boost::intrusive::constant_time_size<false>>;

  EpollItem* find(const file::File& file, int descriptor) REQUIRES(mutex_);
  Result<> add_file(file::File& file, int descriptor, EpollInterest interest, EpollSet* nested);
  void remove_item(EpollItem& item) REQUIRES(mutex_);
  Result<unsigned> collect(uintptr_t into, unsigned most);
  void put_back(EpollItem& item);
  bool has_ready();
  // A watched file woke its queue. True: a thread that waits for this set was woken.
  bool item_woken(EpollItem& item, file::PollEvents events);
  bool announce_ready();

  sync::Mutex mutex_{"epoll"};
  boost::intrusive::set<EpollItem, boost::intrusive::base_hook<TreeHook>,
                        boost::intrusive::key_of_value<KeyOf>>
      items_ GUARDED_BY(mutex_);

  sync::Spinlock ready_lock_{"epoll ready"};
  ItemList<ReadyTag> ready_ GUARDED_BY(ready_lock_);
  size_t ready_count_ GUARDED_BY(ready_lock_) = 0;
  bool looking_ GUARDED_BY(ready_lock_) = false;  // an item may be on no list for the moment (Look)

  sched::WaitQueue waiting_{"epoll wait"};     // threads in wait()
  sched::WaitQueue pollers_{"epoll pollers"};  // poll, select and the like on the epoll file

  const Ref<identity::UserRecord> owner_ = identity::current_payer().user;   // who made it

  // Nested sets. The lists change under the nesting mutex; watchers_ also under its spinlock, for wake-ups.
  ItemList<NestedTag> nested_;  // items of this set whose file is an epoll file
  sync::Spinlock watchers_lock_{"epoll nesting"};
  ItemList<WatcherTag> watchers_;  // items of other sets whose file is this one
  bool in_graph_ = false;          // was watched once; set under mutex_ and the nesting mutex
  ItemList<LeafTag> leaves_;       // if so: the items of other files
  uint64_t visit_ = 0;             // the depth search that was here last ...
  unsigned depth_ = 0;             // ... and what it found
  uint64_t paths_visit_ = 0;       // likewise for the paths from here to the sets above:
  std::array<unsigned, 5> paths_{};  // how many of each length, this set alone being of length 0
};

// One registration: a file in a set. One reference is the set's, one that of the file's list of watchers.
class EpollItem final : public file::CloseWatcher,
                        public mem::FromCache<EpollItem>,
                        public EpollSet::TreeHook,
                        public EpollSet::ListHook<EpollSet::ReadyTag>,
                        public EpollSet::ListHook<EpollSet::NestedTag>,
                        public EpollSet::ListHook<EpollSet::WatcherTag>,
                        public EpollSet::ListHook<EpollSet::LeafTag>,
                        public EpollSet::FileHook,
                        private file::Poller {
 public:
  EpollItem(EpollSet& set, file::File& file, int descriptor, EpollInterest interest)
      : set_(&set), file_(file), descriptor_(descriptor), interest_(interest) {}
  void file_closing(file::File& file) override;

 private:
  friend class EpollSet;
  friend class EpollNesting;
  using Charge = identity::Charge<identity::Kept::EpollItems>;
  Charge charge_;   // to the user who made the set: fs.epoll.max_user_watches

  // One queue of the file. Most files show one or two.
  class Source final : public sched::Waiter, public mem::FromCache<Source> {
   public:
    void start(EpollItem& item, sched::WaitQueue& queue) {
      item_ = &item;
      queue_ = &queue;
      queue.add(*this, item.exclusive());
    }
    void stop() {
      if (queue_ != nullptr) queue_->remove(*this);
      queue_ = nullptr;
    }
    bool in_use() const { return queue_ != nullptr; }
    // Another one of those of which but one was woken, and which takes back its registration, is woken instead.
    void stop_and_pass_on(file::PollEvents events) {
      sched::WaitQueue* const queue = queue_;
      stop();
      if (queue != nullptr) queue->wake(events);
    }
    bool on_wake(uint32_t events) override { return item_->set_->item_woken(*item_, events); }
    Source* next = nullptr;

   private:
    EpollItem* item_ = nullptr;
    sched::WaitQueue* queue_ = nullptr;
  };

  // What this registration asks for and is true now. `watching` on the first call only.
  enum class Watch : uint8_t { Start, No };
  file::PollEvents look(Watch watching);
  void watch(sched::WaitQueue& queue) override;
  void stop_watching();
  bool is_ready_listed() const { return EpollSet::ListHook<EpollSet::ReadyTag>::is_linked(); }

  bool edge_triggered() const { return interest_.events & EpollInterest::kEdge; }
  bool one_shot() const { return interest_.events & EpollInterest::kOneShot; }
  bool exclusive() const { return interest_.events & EpollInterest::kExclusive; }
  file::PollEvents wanted() const;

  const Ref<EpollSet> set_;
  file::File& file_;  // whole while the item is in its set and the set's mutex is held
  const int descriptor_;
  EpollInterest interest_;  // written under mutex_ and ready_lock_; read under either
  bool removed_ = false;    // mutex_
  bool out_of_memory_ = false;
  Ref<EpollSet> nested_;  // file_'s set, if that is an epoll file
  uint64_t paths_visit_ = 0;  // nesting mutex: the check that counted file_'s paths last, if this is its first item
  Source sources_[2];
  Source* more_sources_ = nullptr;
};

inline EpollSet::ItemKey EpollSet::KeyOf::operator()(const EpollItem& item) const {
  return {&item.file_, item.descriptor_};
}

// The open file over a set.
class EpollFile final : public file::File, public mem::FromCache<EpollFile> {
 public:
  static constexpr char kType = 0;
  explicit EpollFile(Ref<EpollSet> set) : File(file::kReadWrite, file::Path()), set_(std::move(set)) {}
  ~EpollFile() override { set_->remove_all(); }
  EpollSet& set() { return *set_; }
  file::PollEvents poll(file::Poller* poller) override {
    return set_->poll(poller) ? file::kPollIn | file::kPollRdNorm : 0;
  }
  const char* kind() const override { return "anon_inode:[eventpoll]"; }
  const void* type() const override { return &kType; }

 private:
  const Ref<EpollSet> set_;
};

}  // namespace tine::event
