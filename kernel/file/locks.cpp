// SPDX-License-Identifier: BSD-2-Clause
#include "file/locks.h"

#include <algorithm>
#include <boost/intrusive/set.hpp>
#include <memory>
#include <tuple>
#include <utility>

#include "base/late.h"
#include "base/random.h"
#include "file/inode.h"
#include "file/lock_tree.h"
#include "identity/charge.h"
#include "mem/object_cache.h"
#include "sched/scheduler.h"
#include "sched/wait_queue.h"

namespace tine::file {
namespace {

struct Held : LockNode, boost::intrusive::set_base_hook<>, mem::FromCache<Held> {
  Held(LockOwner& its_owner, const RecordLock& lock) : type(lock.type), pid(lock.pid) {
    owner = &its_owner;
    first = lock.first;
    last = lock.last;
    priority = random_u64();
    owner->locks_held.fetch_add(1);
  }
  ~Held() { owner->locks_held.fetch_sub(1); }
  RecordLock record() const { return {type, first, last, pid}; }
  LockType type;
  int32_t pid;
  identity::Charge<identity::Kept::FileLocks> charge;
};
using NewHeld = std::unique_ptr<Held>;

struct ByOwner {
  using type = std::pair<uintptr_t, uint64_t>;
  type operator()(const Held& held) const { return key(*held.owner, held.first); }
  static type key(const LockOwner& owner, uint64_t first) { return {reinterpret_cast<uintptr_t>(&owner), first}; }
};
using HeldSet = boost::intrusive::set<Held, boost::intrusive::key_of_value<ByOwner>, boost::intrusive::constant_time_size<false>>;

bool overlap(const Held& a, const RecordLock& b) { return a.first <= b.last && b.first <= a.last; }
// Next to each other or overlapping: one lock if of one type.
bool touch(const Held& a, const RecordLock& b) {
  return (a.last == ~uint64_t{0} || b.first <= a.last + 1) && (b.last == ~uint64_t{0} || a.first <= b.last + 1);
}

// Locks of one kind on one inode.
class LockSet {
 public:
  ~LockSet() {
    held_.clear_and_dispose([](Held* held) { delete held; });
  }

  // One of somebody else that excludes `wanted`.
  const Held* conflict(const LockOwner& owner, const RecordLock& wanted) const {
    if (wanted.type == LockType::Unlock) return nullptr;
    LockNode* found = writes_.foreign(&owner, wanted.first, wanted.last);
    if (found == nullptr && wanted.type == LockType::Write) found = reads_.foreign(&owner, wanted.first, wanted.last);
    return static_cast<const Held*>(found);
  }

  // Puts `wanted` in the place of what the owner has there. `fresh` and `split` are for a new lock and for the second half of
  // one that is cut in two; what is not needed is left. True: something is open to others that was not.
  bool apply(LockOwner& owner, RecordLock wanted, NewHeld& fresh, NewHeld& split) {
    bool opened = false;
    // The owner's locks do not overlap, so that one at most begins before the range and reaches it.
    auto at = held_.lower_bound(ByOwner::key(owner, wanted.first));
    if (at != held_.begin() && std::prev(at)->owner == &owner) --at;
    while (at != held_.end() && at->owner == &owner && (touch(*at, wanted) || at->first < wanted.first)) {
      Held& held = *at++;
      sched::maybe_yield();
      if (!touch(held, wanted)) continue;
      if (held.type == wanted.type) {
        wanted.first = std::min(wanted.first, held.first);
        wanted.last = std::max(wanted.last, held.last);
        erase(held);
      } else if (overlap(held, wanted)) {
        opened = opened || held.type == LockType::Write || wanted.type == LockType::Unlock;
        cut(held, wanted, split);
      }
    }
    if (wanted.type == LockType::Unlock) return opened;
    insert(std::move(fresh), wanted);
    return opened;
  }

  // False: there was none.
  bool release(const LockOwner& owner) {
    bool found = false;
    auto at = held_.lower_bound(ByOwner::key(owner, 0));
    while (at != held_.end() && at->owner == &owner) {
      erase(*at++);
      found = true;
      sched::maybe_yield();
    }
    return found;
  }

 private:
  LockTree& tree_of(LockType type) { return type == LockType::Write ? writes_ : reads_; }

  void insert(NewHeld held, const RecordLock& lock) {
    held->type = lock.type;
    held->first = lock.first;
    held->last = lock.last;
    held->pid = lock.pid;
    tree_of(held->type).insert(*held);
    held_.insert(*held.release());
  }
  void take_out(Held& held) {
    tree_of(held.type).erase(held);
    held_.erase(held_.iterator_to(held));
  }
  void erase(Held& held) {
    take_out(held);
    delete &held;
  }
  // Leaves of `held` what lies outside `range`.
  void cut(Held& held, const RecordLock& range, NewHeld& split) {
    take_out(held);
    NewHeld part(&held);
    const RecordLock whole = held.record();
    RecordLock below = whole, above = whole;
    below.last = range.first - 1;
    above.first = range.last + 1;
    const bool keeps_below = whole.first < range.first, keeps_above = whole.last > range.last;
    if (keeps_below) insert(std::move(part), below);
    if (keeps_above) insert(std::move(keeps_below ? split : part), above);
  }

  HeldSet held_;   // by owner and start
  LockTree reads_, writes_;
};

// Somebody who waits for a record lock, and for whom.
struct Blocked : boost::intrusive::set_base_hook<> {
  const LockOwner* waiter = nullptr;
  const LockOwner* holder = nullptr;
};
struct ByWaiter {
  using type = uintptr_t;
  type operator()(const Blocked& blocked) const { return reinterpret_cast<uintptr_t>(blocked.waiter); }
};
struct BlockedSet {
  boost::intrusive::multiset<Blocked, boost::intrusive::key_of_value<ByWaiter>, boost::intrusive::constant_time_size<false>> set;
};

// All who wait for record locks. Made at first use: sets are not constant-initialised.
constinit sync::Mutex blocked_mutex{"blocked file locks"};
Late<BlockedSet> blocked GUARDED_BY(blocked_mutex);
bool blocked_made GUARDED_BY(blocked_mutex) = false;

BlockedSet& all_blocked() REQUIRES(blocked_mutex) {
  if (!blocked_made) blocked.construct(), blocked_made = true;
  return *blocked;
}

// Would `waiter` wait, through others, for itself?
bool closes_a_cycle(const LockOwner& waiter, const LockOwner* holder) REQUIRES(blocked_mutex) {
  constexpr unsigned kLongestCycle = 64;
  for (unsigned steps = 0; steps < kLongestCycle; steps++) {
    if (holder == &waiter) return true;
    const auto next = all_blocked().set.find(reinterpret_cast<uintptr_t>(holder));
    if (next == all_blocked().set.end()) return false;
    holder = next->holder;
  }
  return false;
}

}  // namespace

// The locks on one inode.
class FileLocks : public mem::FromCache<FileLocks> {
 public:
  void changed() {
    generation.fetch_add(1);
    queue.wake_all();
  }
  Result<> wait_for_change(uint32_t seen) {
    return sched::wait_until(queue, {.name = "lock"}, [&] { return generation.load() != seen; });
  }

  sync::Mutex mutex{"file locks"};
  LockSet records GUARDED_BY(mutex);
  LockSet files GUARDED_BY(mutex);
  std::atomic<uint32_t> generation{0};
  sched::WaitQueue queue{"file lock"};
};

void delete_locks(FileLocks* locks) { delete locks; }

namespace {

using LockCharge = identity::Charge<identity::Kept::FileLocks>;

// Unlocking must not fail for it, even if it makes two locks of one. NoLck: the user has as many as may be. Source of the
// bound by user: OpenBSD's kern.maxlocksperuid.
Result<> charge_for(Held& fresh, LockType type) {
  if (type == LockType::Unlock) return {};
  fresh.charge = TRY(LockCharge::take(identity::current_payer(), Errno::NoLck));
  return {};
}

Result<FileLocks*> locks_of(Inode& inode) {
  FileLocks* locks = inode.locks.load(std::memory_order_acquire);
  if (locks != nullptr) return locks;
  FileLocks* made = TRY(mem::make<FileLocks>());
  if (inode.locks.compare_exchange_strong(locks, made)) return made;
  delete made;
  return locks;
}

Result<NewHeld> make_held(LockOwner& owner, const RecordLock& lock) { return NewHeld(TRY(mem::make<Held>(owner, lock))); }

// Stands for a waiter among all that are blocked.
class BlockedEntry {
 public:
  // Deadlk: it would never end.
  Result<> enter(const LockOwner& owner, const LockOwner* holder) {
    sync::MutexGuard guard(blocked_mutex);
    if (owner.detects_deadlocks && closes_a_cycle(owner, holder)) return Error(Errno::Deadlk);
    entry_.waiter = &owner;
    entry_.holder = holder;
    all_blocked().set.insert(entry_);
    return {};
  }
  ~BlockedEntry() {
    if (entry_.waiter == nullptr) return;
    sync::MutexGuard guard(blocked_mutex);
    all_blocked().set.erase(all_blocked().set.iterator_to(entry_));
  }
  BlockedEntry() = default;
  BlockedEntry(const BlockedEntry&) = delete;
  BlockedEntry& operator=(const BlockedEntry&) = delete;

 private:
  Blocked entry_;
};

}  // namespace

Result<> set_record_lock(Inode& inode, LockOwner& owner, const RecordLock& lock, LockWait wait) {
  if (lock.type == LockType::Unlock && inode.locks.load(std::memory_order_acquire) == nullptr) return {};
  NewHeld fresh = TRY(make_held(owner, lock)), split = TRY(make_held(owner, lock));
  TRY(charge_for(*fresh, lock.type));
  split->charge = LockCharge::take_anyway(identity::current_payer());
  FileLocks& locks = *TRY(locks_of(inode));
  while (true) {
    uint32_t seen = 0;
    BlockedEntry entry;
    {
      sync::MutexGuard guard(locks.mutex);
      const Held* conflict = locks.records.conflict(owner, lock);
      if (conflict == nullptr) {
        if (locks.records.apply(owner, lock, fresh, split)) locks.changed();
        return {};
      }
      if (wait == LockWait::Never) return Error(Errno::Again);
      TRY(entry.enter(owner, conflict->owner));
      seen = locks.generation;
    }
    TRY(locks.wait_for_change(seen));
  }
}

std::optional<RecordLock> find_conflict(Inode& inode, const LockOwner& owner, const RecordLock& lock) {
  FileLocks* locks = inode.locks.load(std::memory_order_acquire);
  if (locks == nullptr) return std::nullopt;
  sync::MutexGuard guard(locks->mutex);
  const Held* conflict = locks->records.conflict(owner, lock);
  if (conflict == nullptr) return std::nullopt;
  return conflict->record();
}

Result<> set_file_lock(Inode& inode, LockOwner& owner, LockType type, LockWait wait) {
  const RecordLock lock{.type = type};
  NewHeld fresh = TRY(make_held(owner, lock)), unused;
  TRY(charge_for(*fresh, type));
  FileLocks& locks = *TRY(locks_of(inode));
  while (true) {
    uint32_t seen = 0;
    {
      sync::MutexGuard guard(locks.mutex);
      const Held* conflict = locks.files.conflict(owner, lock);
      if (conflict == nullptr) {
        if (locks.files.apply(owner, lock, fresh, unused)) locks.changed();
        return {};
      }
      if (wait == LockWait::Never) return Error(Errno::Again);
      // Changing a lock's type is not atomic: the old one goes before waiting, as flock(2) says.
      if (locks.files.release(owner)) locks.changed();
      seen = locks.generation;
    }
    TRY(locks.wait_for_change(seen));
  }
}

void release_locks(Inode& inode, LockOwner& owner) {
  if (owner.locks_held.load(std::memory_order_relaxed) == 0) return;
  FileLocks* locks = inode.locks.load(std::memory_order_acquire);
  if (locks == nullptr) return;
  sync::MutexGuard guard(locks->mutex);
  const bool records = locks->records.release(owner);
  if (locks->files.release(owner) || records) locks->changed();
}

}  // namespace tine::file
