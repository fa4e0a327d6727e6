// SPDX-License-Identifier: BSD-2-Clause
#include "file/locks.h"

#include <algorithm>
#include <boost/intrusive/list.hpp>
#include <utility>

#include "base/late.h"
#include "file/inode.h"
#include "identity/charge.h"
#include "mem/object_cache.h"
#include "sched/wait_queue.h"

namespace tine::file {
namespace {

constinit sync::Mutex locks_mutex{"file locks"};

struct Held : RecordLock, boost::intrusive::list_base_hook<>, mem::FromCache<Held> {
  Held(LockOwner& owner, const RecordLock& lock) : RecordLock(lock), owner(&owner) { owner.locks_held.fetch_add(1); }
  ~Held() { owner->locks_held.fetch_sub(1); }
  LockOwner* owner;
  identity::Charge<identity::Kept::FileLocks> charge;
};
using HeldList = boost::intrusive::list<Held, boost::intrusive::constant_time_size<false>>;

// Somebody who waits for a record lock, and for whom.
struct Blocked : boost::intrusive::list_base_hook<> {
  const LockOwner* waiter = nullptr;
  const LockOwner* holder = nullptr;
};

bool overlap(const RecordLock& a, const RecordLock& b) { return a.first <= b.last && b.first <= a.last; }
bool exclude(const RecordLock& a, const RecordLock& b) {
  return overlap(a, b) && (a.type == LockType::Write || b.type == LockType::Write);
}
// Next to each other or overlapping: one lock if of one type.
bool touch(const RecordLock& a, const RecordLock& b) {
  return (a.last == ~uint64_t{0} || b.first <= a.last + 1) && (b.last == ~uint64_t{0} || a.first <= b.last + 1);
}

void erase(HeldList& list, HeldList::iterator& at) { at = list.erase_and_dispose(at, [](Held* held) { delete held; }); }

}  // namespace

// The locks on one inode.
class FileLocks : public mem::FromCache<FileLocks> {
 public:
  ~FileLocks() {
    const auto dispose = [](Held* held) { delete held; };
    records.clear_and_dispose(dispose);
    files.clear_and_dispose(dispose);
  }

  static Held* conflict(HeldList& list, const LockOwner& owner, const RecordLock& wanted) {
    for (Held& held : list)
      if (held.owner != &owner && exclude(held, wanted)) return &held;
    return nullptr;
  }
  void changed() {
    generation.fetch_add(1);
    queue.wake_all();
  }
  Result<> wait_for_change(uint32_t seen) {
    return sched::wait_until(queue, {.name = "lock"}, [&] { return generation.load() != seen; });
  }
  void release(HeldList& list, const LockOwner& owner) {
    for (auto at = list.begin(); at != list.end();) {
      if (at->owner == &owner) erase(list, at);
      else ++at;
    }
  }

  // Puts `wanted` in the place of what the owner has there. `fresh` and `split` are nodes for a new lock and for the
  // second half of one that is cut in two; what is not needed is left.
  void apply(LockOwner& owner, RecordLock wanted, Held*& fresh, Held*& split) {
    for (auto at = records.begin(); at != records.end();) {
      if (at->owner != &owner || !touch(*at, wanted)) {
        ++at;
      } else if (at->type == wanted.type) {
        wanted.first = std::min(wanted.first, at->first);
        wanted.last = std::max(wanted.last, at->last);
        erase(records, at);
      } else if (!overlap(*at, wanted)) {
        ++at;
      } else if (at->first < wanted.first && at->last > wanted.last) {
        *static_cast<RecordLock*>(split) = *at;
        split->first = wanted.last + 1;
        records.push_back(*std::exchange(split, nullptr));
        at->last = wanted.first - 1;
        ++at;
      } else if (at->first < wanted.first) {
        at->last = wanted.first - 1;
        ++at;
      } else if (at->last > wanted.last) {
        at->first = wanted.last + 1;
        ++at;
      } else {
        erase(records, at);
      }
    }
    if (wanted.type == LockType::Unlock) return;
    *static_cast<RecordLock*>(fresh) = wanted;
    records.push_back(*std::exchange(fresh, nullptr));
  }

  HeldList records;
  HeldList files;
  std::atomic<uint32_t> generation{0};
  sched::WaitQueue queue{"file lock"};
};

void delete_locks(FileLocks* locks) { delete locks; }

namespace {

// All who wait for record locks. Made at first use, under locks_mutex: lists are not constant-initialised.
struct BlockedList {
  boost::intrusive::list<Blocked, boost::intrusive::constant_time_size<false>> list;
};
Late<BlockedList> blocked GUARDED_BY(locks_mutex);
bool blocked_made GUARDED_BY(locks_mutex) = false;

BlockedList& all_blocked() REQUIRES(locks_mutex) {
  if (!blocked_made) blocked.construct(), blocked_made = true;
  return *blocked;
}

// Would `waiter` wait, through others, for itself?
bool closes_a_cycle(const LockOwner& waiter, const LockOwner* holder) REQUIRES(locks_mutex) {
  for (unsigned steps = 0; steps < 64; steps++) {
    if (holder == &waiter) return true;
    const Blocked* next = nullptr;
    for (const Blocked& other : all_blocked().list)
      if (other.waiter == holder) next = &other;
    if (next == nullptr) return false;
    holder = next->holder;
  }
  return false;
}

using LockCharge = identity::Charge<identity::Kept::FileLocks>;

// Unlocking must not fail for it, even if it makes two locks of one. NoLck: the user has as many as may be. Source of the
// bound by user: OpenBSD's kern.maxlocksperuid.
Result<> charge_for(Held& fresh, LockType type) {
  if (type == LockType::Unlock) return {};
  fresh.charge = TRY(LockCharge::take(identity::current_payer(), Errno::NoLck));
  return {};
}

Result<FileLocks*> locks_of(Inode& inode) REQUIRES(locks_mutex) {
  FileLocks* locks = inode.locks.load(std::memory_order_acquire);
  if (locks != nullptr) return locks;
  locks = TRY(mem::make<FileLocks>());
  inode.locks.store(locks, std::memory_order_release);
  return locks;
}

}  // namespace

Result<> set_record_lock(Inode& inode, LockOwner& owner, const RecordLock& lock, LockWait wait) {
  if (lock.type == LockType::Unlock && inode.locks.load(std::memory_order_acquire) == nullptr) return {};
  Held* fresh = TRY(mem::make<Held>(owner, lock));
  Held* split = new (std::nothrow) Held(owner, lock);
  Result<> result = split != nullptr ? charge_for(*fresh, lock.type) : Error(Errno::NoMem);
  if (split != nullptr) split->charge = LockCharge::take_anyway(identity::current_payer());
  while (result) {
    FileLocks* locks = nullptr;
    uint32_t seen = 0;
    Blocked entry;
    {
      sync::MutexGuard guard(locks_mutex);
      const Result<FileLocks*> found = locks_of(inode);
      if (!found) {
        result = Error(found.error());
        break;
      }
      locks = *found;
      const Held* conflict =
          lock.type == LockType::Unlock ? nullptr : FileLocks::conflict(locks->records, owner, lock);
      if (conflict == nullptr) {
        locks->apply(owner, lock, fresh, split);
        locks->changed();       // a write lock that became a read lock, or a range unlocked, lets others in
        break;
      }
      if (wait == LockWait::Never) {
        result = Error(Errno::Again);
        break;
      }
      if (owner.detects_deadlocks && closes_a_cycle(owner, conflict->owner)) {
        result = Error(Errno::Deadlk);
        break;
      }
      seen = locks->generation;
      entry.waiter = &owner;
      entry.holder = conflict->owner;
      all_blocked().list.push_back(entry);
    }
    result = locks->wait_for_change(seen);
    sync::MutexGuard guard(locks_mutex);
    all_blocked().list.erase(all_blocked().list.iterator_to(entry));
  }
  delete fresh;
  delete split;
  return result;
}

std::optional<RecordLock> find_conflict(Inode& inode, const LockOwner& owner, const RecordLock& lock) {
  sync::MutexGuard guard(locks_mutex);
  FileLocks* locks = inode.locks.load(std::memory_order_acquire);
  if (locks == nullptr) return std::nullopt;
  const Held* conflict = FileLocks::conflict(locks->records, owner, lock);
  if (conflict == nullptr) return std::nullopt;
  return *conflict;
}

Result<> set_file_lock(Inode& inode, LockOwner& owner, LockType type, LockWait wait) {
  const RecordLock lock{.type = type};
  Held* fresh = TRY(mem::make<Held>(owner, lock));
  Result<> result = charge_for(*fresh, type);
  while (result) {
    FileLocks* locks = nullptr;
    uint32_t seen = 0;
    {
      sync::MutexGuard guard(locks_mutex);
      const Result<FileLocks*> found = locks_of(inode);
      if (!found) {
        result = Error(found.error());
        break;
      }
      locks = *found;
      const Held* conflict = type == LockType::Unlock ? nullptr : FileLocks::conflict(locks->files, owner, lock);
      if (conflict == nullptr) {
        locks->release(locks->files, owner);
        if (type != LockType::Unlock) locks->files.push_back(*std::exchange(fresh, nullptr));
        locks->changed();
        break;
      }
      if (wait == LockWait::Never) {
        result = Error(Errno::Again);
        break;
      }
      // Changing a lock's type is not atomic: the old one goes before waiting, as flock(2) says.
      locks->release(locks->files, owner);
      locks->changed();
      seen = locks->generation;
    }
    result = locks->wait_for_change(seen);
  }
  delete fresh;
  return result;
}

void release_locks(Inode& inode, LockOwner& owner) {
  if (owner.locks_held.load(std::memory_order_relaxed) == 0) return;
  if (inode.locks.load(std::memory_order_acquire) == nullptr) return;
  sync::MutexGuard guard(locks_mutex);
  FileLocks* locks = inode.locks.load(std::memory_order_acquire);
  locks->release(locks->records, owner);
  locks->release(locks->files, owner);
  locks->changed();
}

}  // namespace tine::file
