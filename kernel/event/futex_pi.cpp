// SPDX-License-Identifier: BSD-2-Clause
// Futexes with an owner. Programs take and leave an uncontended one by themselves, by exchanging 0 and their
// thread id; they come here when that fails, which kFutexWaiters makes sure of while somebody waits.
#include "event/futex_pi.h"

#include <array>
#include <boost/intrusive/list.hpp>

#include "base/late.h"
#include "event/timerfd.h"
#include "event/user_word.h"
#include "process/process.h"
#include "process/thread.h"
#include "sched/scheduler.h"
#include "sync/mutex.h"

namespace tine::event {
namespace {

// Waiting: linked. Owner: the lock was handed over. Retry: the owner has died; the waiter competes again.
enum class Outcome : uint8_t { Waiting, Owner, Retry };

struct PiWaiter : boost::intrusive::list_base_hook<> {
  PiWaiter(const FutexKey& key, uint32_t owner) : key(key), owner(owner) {}
  const FutexKey& key;
  uint32_t owner;  // whom it waits for
  const unsigned urgency = urgency_of_running();
  process::Thread& thread = process::current();
  std::atomic<Outcome> outcome{Outcome::Waiting};
};

struct PiBucket {
  sync::Mutex mutex{"pi futex"};
  boost::intrusive::list<PiWaiter, boost::intrusive::constant_time_size<false>> waiters GUARDED_BY(mutex);

  // Behind all that are as urgent.
  void insert(PiWaiter& waiter) REQUIRES(mutex) {
    auto place = waiters.begin();
    while (place != waiters.end() && place->urgency >= waiter.urgency) ++place;
    waiters.insert(place, waiter);
  }
  // The first waiter for `key`, skipping `skip` of them.
  PiWaiter* find(const FutexKey& key, unsigned skip = 0) REQUIRES(mutex) {
    for (PiWaiter& waiter : waiters)
      if (waiter.key == key && skip-- == 0) return &waiter;
    return nullptr;
  }
  // The waiter's thread takes the mutex before it leaves, so it is there until the mutex is released.
  void end_wait(PiWaiter& waiter, Outcome outcome) REQUIRES(mutex) {
    waiters.erase(waiters.iterator_to(waiter));
    waiter.outcome.store(outcome, std::memory_order_release);
    sched::wake(waiter.thread);
  }
};

constexpr size_t kBuckets = 64;
Late<std::array<PiBucket, kBuckets>> buckets;
std::atomic<unsigned> waiter_count{0};  // spares the end of every thread a walk over the buckets

PiBucket& bucket_of(const FutexKey& key) { return (*buckets)[key.hash() % kBuckets]; }
uint32_t own_id() { return static_cast<uint32_t>(process::current().shown_id()); }

enum class Take : uint8_t { Taken, Owned };
struct TakeResult {
  Take result;
  uint32_t owner;
};

// Takes the word for the caller if it has no owner (or, with `dead`, if that is its owner). `announce`: sets
// kFutexWaiters when there is another owner, so that this one comes here to unlock.
Result<TakeResult> take_word(PiBucket& bucket, const FutexKey& key, uintptr_t address, uint32_t dead,
                             bool announce) REQUIRES(bucket.mutex) {
  const uint32_t self = own_id();
  uint32_t word = TRY(load_word(address));
  while (true) {
    const uint32_t owner = word & kFutexTidMask;
    uint32_t desired;
    if (owner == 0 || owner == dead) {
      desired = self | (word & kFutexOwnerDied) | (owner != 0 ? kFutexOwnerDied : 0);
      if (bucket.find(key) != nullptr) desired |= kFutexWaiters;
    } else {
      if (owner == self) return Error(Errno::Deadlk);
      if (!announce || (word & kFutexWaiters)) return TakeResult{Take::Owned, owner};
      desired = word | kFutexWaiters;
    }
    const uint32_t seen = TRY(compare_exchange_word(address, word, desired));
    if (seen == word) {
      if (owner == 0 || owner == dead) return TakeResult{Take::Taken, self};
      return TakeResult{Take::Owned, owner};
    }
    word = seen;
  }
}

// Sleeps until the outcome is known. The bucket's mutex is not held.
Result<> sleep(PiWaiter& waiter, FutexDeadline deadline) {
  const ClockWatch clock(deadline.on_wall_clock);
  Result<> result;
  while (true) {
    sched::set_sleeping(sched::Sleep::Interruptible, "futex");
    if (waiter.outcome.load(std::memory_order_acquire) != Outcome::Waiting) break;
    if (sched::interrupt_pending()) {
      result = Error(Errno::RestartSys);
      break;
    }
    const Nanoseconds end = deadline.uptime();
    if (end != kForever && machine::now() >= end) {
      result = Error(Errno::TimedOut);
      break;
    }
    sched::block(end);
  }
  sched::cancel_sleeping();
  return result;
}

}  // namespace

Result<> futex_lock_pi(const FutexKey& key, uintptr_t address, FutexDeadline deadline) {
  PiBucket& bucket = bucket_of(key);
  uint32_t dead = 0;
  while (true) {
    PiWaiter waiter(key, 0);
    {
      sync::MutexGuard guard(bucket.mutex);
      const TakeResult taken = TRY(take_word(bucket, key, address, dead, true));
      if (taken.result == Take::Taken) return {};
      waiter.owner = taken.owner;
      bucket.insert(waiter);
      waiter_count.fetch_add(1);
      // Looked up after queueing: an owner that ends later finds the waiter.
      const auto owner = process::find_thread(static_cast<process::PidNumber>(taken.owner));
      if (owner == nullptr || owner->released_pi_futexes.load()) {
        bucket.waiters.erase(bucket.waiters.iterator_to(waiter));
        waiter_count.fetch_sub(1);
        // At its end it may have given the word up just now, by its list of robust futexes.
        if ((TRY(load_word(address)) & kFutexTidMask) == taken.owner) return Error(Errno::Srch);
        continue;
      }
    }
    const Result<> slept = sleep(waiter, deadline);
    Outcome outcome;
    {
      sync::MutexGuard guard(bucket.mutex);
      outcome = waiter.outcome.load(std::memory_order_relaxed);
      if (outcome == Outcome::Waiting) bucket.waiters.erase(bucket.waiters.iterator_to(waiter));
      waiter_count.fetch_sub(1);
    }
    if (outcome == Outcome::Owner) return {};
    if (outcome == Outcome::Waiting) return slept;
    dead = waiter.owner;
  }
}

Result<> futex_try_lock_pi(const FutexKey& key, uintptr_t address) {
  PiBucket& bucket = bucket_of(key);
  sync::MutexGuard guard(bucket.mutex);
  const TakeResult taken = TRY(take_word(bucket, key, address, 0, false));
  return taken.result == Take::Taken ? Result<>() : Error(Errno::Again);
}

Result<> futex_unlock_pi(const FutexKey& key, uintptr_t address) {
  PiBucket& bucket = bucket_of(key);
  sync::MutexGuard guard(bucket.mutex);
  uint32_t word = TRY(load_word(address));
  PiWaiter* const next = bucket.find(key);
  while (true) {
    if ((word & kFutexTidMask) != own_id()) return Error(Errno::Perm);
    uint32_t desired = 0;
    if (next != nullptr) {
      desired = static_cast<uint32_t>(next->thread.shown_id());
      if (bucket.find(key, 1) != nullptr) desired |= kFutexWaiters;
    }
    const uint32_t seen = TRY(compare_exchange_word(address, word, desired));
    if (seen == word) break;
    word = seen;
  }
  if (next == nullptr) return {};
  const uint32_t owner = static_cast<uint32_t>(next->thread.shown_id());
  bucket.end_wait(*next, Outcome::Owner);
  for (PiWaiter& waiter : bucket.waiters)
    if (waiter.key == key) waiter.owner = owner;
  return {};
}

void futex_owner_died_pi(const FutexKey& key) {
  if (waiter_count.load() == 0) return;
  PiBucket& bucket = bucket_of(key);
  sync::MutexGuard guard(bucket.mutex);
  if (PiWaiter* waiter = bucket.find(key)) bucket.end_wait(*waiter, Outcome::Retry);
}

void release_pi_waiters(process::Thread& thread) {
  thread.released_pi_futexes.store(true);  // before the count is read: futex_lock_pi does these in the other order
  if (waiter_count.load() == 0) [[likely]]
    return;
  const uint32_t id = static_cast<uint32_t>(thread.shown_id());
  for (PiBucket& bucket : *buckets) {
    sync::MutexGuard guard(bucket.mutex);
    for (auto next = bucket.waiters.begin(); next != bucket.waiters.end();)
      if (PiWaiter& waiter = *next++; waiter.owner == id) bucket.end_wait(waiter, Outcome::Retry);
  }
}

void init_pi_futexes() { buckets.construct(); }

}  // namespace tine::event
