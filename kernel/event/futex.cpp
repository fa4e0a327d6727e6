// SPDX-License-Identifier: BSD-2-Clause
// Futexes: the hash table of waiters, waiting, waking, moving.
#include "event/futex.h"

#include <algorithm>
#include <array>
#include <boost/intrusive/list.hpp>

#include "base/late.h"
#include "event/timerfd.h"
#include "event/user_word.h"
#include "process/process.h"
#include "process/thread.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "vm/address_space.h"

namespace tine::event {
namespace {

struct Bucket;

// A sleeping thread, on its own stack. Linked: waits. Not linked: was woken. All fields but `key` of a linked
// waiter are constant; a move changes `key` and `bucket` under both buckets' locks.
struct FutexWaiter : boost::intrusive::list_base_hook<> {
  FutexWaiter(const FutexKey& key, uint32_t bits) : key(key), bits(bits) {}
  FutexKey key;
  const uint32_t bits;
  const unsigned urgency = urgency_of_running();
  sched::Thread& thread = sched::current();
  uint64_t ticket = 0;  // its place in the order of arrival
  std::atomic<Bucket*> bucket{nullptr};
  std::atomic<bool> woken{false};
};

struct Bucket {
  sync::Spinlock lock{"futex bucket"};
  boost::intrusive::list<FutexWaiter, boost::intrusive::constant_time_size<false>> waiters GUARDED_BY(lock);
};

constexpr size_t kBuckets = 256;
Late<std::array<Bucket, kBuckets>> buckets;
std::atomic<uint64_t> last_ticket{0};

Bucket& bucket_of(const FutexKey& key) { return (*buckets)[key.hash() % kBuckets]; }

// The bucket that the waiter is in, or was woken from, locked: a move may change it until the lock is held.
Bucket& lock_bucket_of(const FutexWaiter& waiter) NO_THREAD_SAFETY_ANALYSIS {
  while (true) {
    Bucket& bucket = *waiter.bucket.load(std::memory_order_acquire);
    bucket.lock.lock();
    if (waiter.bucket.load(std::memory_order_relaxed) == &bucket) return bucket;
    bucket.lock.unlock();
  }
}

// Behind all that are as urgent.
void insert(Bucket& bucket, FutexWaiter& waiter) REQUIRES(bucket.lock) {
  auto place = bucket.waiters.end();
  if (waiter.urgency != 0)
    place = std::find_if(bucket.waiters.begin(), bucket.waiters.end(),
                         [&](const FutexWaiter& other) { return other.urgency < waiter.urgency; });
  bucket.waiters.insert(place, waiter);
}

void enqueue(FutexWaiter& waiter) {
  Bucket& bucket = bucket_of(waiter.key);
  waiter.bucket.store(&bucket, std::memory_order_relaxed);
  sync::SpinGuard guard(bucket.lock);
  waiter.ticket = last_ticket.fetch_add(1) + 1;
  insert(bucket, waiter);
}

// Ends the wait, however it came about. Afterwards nobody refers to the waiter: a waker does all it does
// under the lock. True: it had been woken.
bool finish(FutexWaiter& waiter) NO_THREAD_SAFETY_ANALYSIS {
  Bucket& bucket = lock_bucket_of(waiter);
  const bool woken = !waiter.is_linked();
  if (!woken) bucket.waiters.erase(bucket.waiters.iterator_to(waiter));
  bucket.lock.unlock();
  return woken;
}

void wake_waiter(Bucket& bucket, FutexWaiter& waiter) REQUIRES(bucket.lock) {
  bucket.waiters.erase(bucket.waiters.iterator_to(waiter));
  waiter.woken.store(true, std::memory_order_release);
  sched::wake(waiter.thread);
}

template <class Function>
void for_each_waiter(Bucket& bucket, Function&& function) REQUIRES(bucket.lock) {
  for (auto next = bucket.waiters.begin(); next != bucket.waiters.end();)
    if (FutexWaiter& waiter = *next++; !function(waiter)) return;  // `waiter` may have left the list
}

// Two buckets, which may be one, locked in order of address.
class BucketPair {
 public:
  BucketPair(Bucket& a, Bucket& b) NO_THREAD_SAFETY_ANALYSIS : low_(&a < &b ? a : b), high_(&a < &b ? b : a) {
    low_.lock.lock();
    if (&high_ != &low_) high_.lock.lock();
  }
  ~BucketPair() NO_THREAD_SAFETY_ANALYSIS {
    if (&high_ != &low_) high_.lock.unlock();
    low_.lock.unlock();
  }
  BucketPair(const BucketPair&) = delete;
  BucketPair& operator=(const BucketPair&) = delete;

 private:
  Bucket& low_;
  Bucket& high_;
};

}  // namespace

Nanoseconds FutexDeadline::uptime() const {
  if (!on_wall_clock || time == kForever) return time;
  const Nanoseconds offset = sched::wall_clock_offset();
  return time > offset ? time - offset : 0;
}

// Racy: a priority that is changed at this moment counts from the next wait on.
unsigned urgency_of_running() { return sched::current().priority.realtime; }

Result<FutexKey> FutexKey::of(uintptr_t address, Scope scope) {
  if (address % sizeof(uint32_t) != 0) return Error(Errno::Inval);
  if (!vm::is_user_range(address, sizeof(uint32_t))) return Error(Errno::Fault);
  vm::AddressSpace& space = *process::current().process().own_address_space();
  FutexKey key;
  if (scope == Scope::Shared) {
    TRY(load_word(address));
    vm::AddressSpace::Location location = TRY(space.locate(address));
    if (location.object != nullptr) {
      key.space_ = location.object.get();
      key.offset_ = location.position;
      key.object_ = std::move(location.object);
      return key;
    }
  }
  key.space_ = &space;
  key.offset_ = address;
  return key;
}

size_t FutexKey::hash() const {
  uint64_t x = (reinterpret_cast<uintptr_t>(space_) >> 4) * 0x9e3779b97f4a7c15 ^ (offset_ >> 2);
  x *= 0xff51afd7ed558ccd;
  return x >> 40;
}

Result<> futex_wait(const FutexKey& key, uintptr_t address, uint32_t expected, uint32_t bits,
                    FutexDeadline deadline) {
  if (bits == 0) return Error(Errno::Inval);
  FutexWaiter waiter(key, bits);
  const ClockWatch clock(deadline.on_wall_clock);
  enqueue(waiter);

  const auto value = load_word(address);
  if (!value || *value != expected) {
    if (finish(waiter)) return {};  // a waker has counted on this thread already
    return Error(value ? Errno::Again : value.error());
  }

  bool interrupted = false;
  while (true) {
    sched::set_sleeping(sched::Sleep::Interruptible, "futex");
    if (waiter.woken.load(std::memory_order_acquire)) break;
    interrupted = sched::interrupt_pending();
    const Nanoseconds end = deadline.uptime();  // anew each time: a setting of the wall clock wakes the thread
    if (interrupted || (end != kForever && machine::now() >= end)) break;
    sched::block(end);
  }
  sched::cancel_sleeping();
  if (finish(waiter)) return {};
  return Error(interrupted ? Errno::RestartSys : Errno::TimedOut);
}

unsigned futex_wake(const FutexKey& key, unsigned most, uint32_t bits) {
  if (most == 0) return 0;
  Bucket& bucket = bucket_of(key);
  sync::SpinGuard guard(bucket.lock);
  unsigned woken = 0;
  for_each_waiter(bucket, [&](FutexWaiter& waiter) NO_THREAD_SAFETY_ANALYSIS {
    if ((waiter.bits & bits) == 0 || !(waiter.key == key)) return true;
    wake_waiter(bucket, waiter);
    return ++woken < most;
  });
  return woken;
}

Result<unsigned> futex_requeue(const FutexKey& from, uintptr_t address, const FutexKey& to,
                               FutexRequeue request) {
  // The comparison cannot be made under the locks. Only waiters that were queued before it are touched, so
  // the outcome is one that was possible at the moment of the comparison.
  const uint64_t newest = last_ticket.load();
  if (request.expected != nullptr && TRY(load_word(address)) != *request.expected) return Error(Errno::Again);

  Bucket& source = bucket_of(from);
  Bucket& target = bucket_of(to);
  const bool same = from == to;
  unsigned woken = 0, moved = 0;
  BucketPair locks(source, target);
  source.lock.assert_held();
  for_each_waiter(source, [&](FutexWaiter& waiter) NO_THREAD_SAFETY_ANALYSIS {
    if (waiter.ticket > newest || !(waiter.key == from)) return true;
    if (woken < request.wake) {
      wake_waiter(source, waiter);
      woken++;
    } else if (moved < request.move) {
      if (!same) {
        source.waiters.erase(source.waiters.iterator_to(waiter));
        waiter.key = to;
        waiter.bucket.store(&target, std::memory_order_release);
        insert(target, waiter);
      }
      moved++;
    }
    return woken < request.wake || moved < request.move;
  });
  return request.expected != nullptr ? woken + moved : woken;
}

namespace {

// FUTEX_WAKE_OP's operation word: op(4) comparison(4) operand(12) comparand(12).
constexpr unsigned kOperandIsShift = 8;

Result<uint32_t> apply(unsigned op, uint32_t value, uint32_t operand) {
  switch (op) {
    case 0:
      return operand;  // FUTEX_OP_SET
    case 1:
      return value + operand;  // ADD
    case 2:
      return value | operand;  // OR
    case 3:
      return value & ~operand;  // ANDN
    case 4:
      return value ^ operand;  // XOR
    default:
      return Error(Errno::NoSys);
  }
}

Result<bool> compare(unsigned comparison, int32_t value, int32_t comparand) {
  switch (comparison) {
    case 0:
      return value == comparand;
    case 1:
      return value != comparand;
    case 2:
      return value < comparand;
    case 3:
      return value <= comparand;
    case 4:
      return value > comparand;
    case 5:
      return value >= comparand;
    default:
      return Error(Errno::NoSys);
  }
}

constexpr int32_t sign_extend_12(uint32_t bits) { return static_cast<int32_t>(bits << 20) >> 20; }

}  // namespace

Result<unsigned> futex_wake_op(const FutexKey& first, unsigned wake_first, const FutexKey& second,
                               uintptr_t second_address, unsigned wake_second, uint32_t operation) {
  const unsigned op = operation >> 28 & 7;
  const unsigned comparison = operation >> 24 & 15;
  int32_t operand = sign_extend_12(operation >> 12 & 0xfff);
  if (operation >> 28 & kOperandIsShift) operand = static_cast<int32_t>(1u << (operand & 31));

  uint32_t old = TRY(load_word(second_address));
  while (true) {
    const uint32_t desired = TRY(apply(op, old, static_cast<uint32_t>(operand)));
    const uint32_t seen = TRY(compare_exchange_word(second_address, old, desired));
    if (seen == old) break;
    old = seen;
  }
  const bool meets = TRY(compare(comparison, static_cast<int32_t>(old), sign_extend_12(operation & 0xfff)));
  unsigned woken = futex_wake(first, wake_first);
  if (meets) woken += futex_wake(second, wake_second);
  return woken;
}

void init_futexes() { buckets.construct(); }

}  // namespace tine::event
