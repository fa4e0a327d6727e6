// SPDX-License-Identifier: BSD-2-Clause
#include "sync/lock_order.h"

#if TINE_DEBUG

#include <cstring>

#include "base/assert.h"
#include "machine/cpu.h"
#include "machine/latency.h"
#include "sync/lock_graph.h"

namespace tine::sync {

namespace {

constexpr size_t kMostClasses = 256;
using Graph = LockGraph<kMostClasses>;

struct ClassRecord {
  const char* name;
  std::atomic<uint64_t> acquisitions, contentions, longest_hold;
};

constinit ClassRecord classes[kMostClasses] = {};  // [0] is not used: id 0 means "not met yet"
constinit std::atomic<uint16_t> class_count{1};
constinit Graph graph;
constinit Graph::Path conflict;                     // big, so not on a stack; under the registry lock

// Spinlocks are held with interrupts off, so they are the CPU's; the run-queue lock even outlives a context switch.
constinit HeldLocks spinlocks_of_cpu[machine::kMaxCpus];
constinit HeldLocks boot_locks;                     // sleeping locks taken before there are threads
constinit HeldLocks* (*find_thread_locks)() = nullptr;

HeldLocks& held_spinlocks() { return spinlocks_of_cpu[machine::cpu_id()]; }

HeldLocks& held_sleeping_locks() {
  HeldLocks* locks = find_thread_locks != nullptr ? find_thread_locks() : nullptr;
  return locks != nullptr ? *locks : boot_locks;
}

// The checker's own lock: below every Spinlock, so it cannot be one.
class RegistryGuard {
 public:
  RegistryGuard() {
    while (busy_.test_and_set(std::memory_order_acquire)) machine::spin_pause();
  }
  ~RegistryGuard() { busy_.clear(std::memory_order_release); }

 private:
  machine::InterruptGuard interrupts_;
  static constinit std::atomic_flag busy_;
};
constinit std::atomic_flag RegistryGuard::busy_;

void report_conflict(const HeldLocks& held, const char* wanted) {
  // One line for each chain; panic prints the third with the backtrace.
  char text[512];
  size_t length = 0;
  auto append = [&](const char* word) {
    for (; *word != 0 && length + 1 < sizeof text; word++) text[length++] = *word;
    text[length] = 0;
  };
  append("lock order: holding");
  for (size_t i = 0; i < held.count; i++) {
    append(i == 0 ? " '" : " > '");
    append(classes[held.entries[i].id].name);
    append("'");
  }
  append(" and taking '");
  append(wanted);
  append("', but learned before:");
  for (size_t i = 0; i < conflict.length; i++) {
    append(i == 0 ? " '" : " > '");
    append(classes[conflict.classes[i]].name);
    append("'");
  }
  panic("%s", text);
}

}  // namespace

class LockChecker {
 public:
  static uint16_t id_of(const LockClass& lock_class) {
    uint16_t id = lock_class.id_.load(std::memory_order_relaxed);
    if (id != 0) [[likely]] return id;
    RegistryGuard guard;
    const uint16_t count = class_count.load(std::memory_order_relaxed);
    for (id = 1; id < count; id++)
      if (strcmp(classes[id].name, lock_class.name_) == 0) break;
    if (id == count) {
      if (count == kMostClasses) panic("lock order: more than %zu classes of locks", kMostClasses - 1);
      classes[id].name = lock_class.name_;
      class_count.store(static_cast<uint16_t>(count + 1), std::memory_order_release);
    }
    lock_class.id_.store(id, std::memory_order_relaxed);
    return id;
  }

  static void check_order(const HeldLocks& held, uint16_t id, const void* lock, Attempt attempt) {
    for (size_t i = 0; i < held.count; i++) {
      const auto& entry = held.entries[i];
      if (entry.lock == lock) panic("lock order: '%s' taken twice", classes[id].name);
      if (entry.id == id) {
        if (attempt == Attempt::Blocking && entry.lock > lock)
          panic("lock order: two locks of '%s' nested against their addresses", classes[id].name);
        continue;
      }
      if (graph.has(entry.id, id)) continue;
      RegistryGuard guard;
      if (!graph.insert(entry.id, id, conflict)) report_conflict(held, classes[id].name);
    }
  }
};

void before_lock(const LockClass& lock_class, const void* lock, LockKind kind, Attempt attempt) {
  const uint16_t id = LockChecker::id_of(lock_class);
  if (kind == LockKind::Sleeping) assert_may_sleep();
  if (attempt == Attempt::Try) return;
  machine::InterruptGuard guard;
  LockChecker::check_order(held_spinlocks(), id, lock, attempt);
  // What an interrupted thread holds says nothing about the order that the interrupt handler uses.
  if (!machine::this_cpu().in_interrupt) LockChecker::check_order(held_sleeping_locks(), id, lock, attempt);
}

void after_lock(const LockClass& lock_class, const void* lock, LockKind kind) {
  const uint16_t id = LockChecker::id_of(lock_class);
  classes[id].acquisitions.fetch_add(1, std::memory_order_relaxed);
  HeldLocks& held = kind == LockKind::Spin ? held_spinlocks() : held_sleeping_locks();
  if (held.count == HeldLocks::kMost) panic("lock order: too many locks held, last '%s'", classes[id].name);
  const auto caller = reinterpret_cast<uintptr_t>(__builtin_return_address(0));
  held.entries[held.count++] = {lock, held.clock(), caller, id};
}

void before_unlock(const LockClass& lock_class, const void* lock, LockKind kind) {
  HeldLocks& held = kind == LockKind::Spin ? held_spinlocks() : held_sleeping_locks();
  for (size_t i = held.count; i-- != 0;) {
    if (held.entries[i].lock != lock) continue;
    const HeldLocks::Entry entry = held.entries[i];
    const Nanoseconds time = held.clock() - entry.since;
    auto& longest = classes[entry.id].longest_hold;
    uint64_t seen = longest.load(std::memory_order_relaxed);
    while (time > seen && !longest.compare_exchange_weak(seen, time, std::memory_order_relaxed)) {
    }
    held.count--;
    for (; i < held.count; i++) held.entries[i] = held.entries[i + 1];
    const machine::Latency latency = kind == LockKind::Spin ? machine::Latency::Spinlock : machine::Latency::Mutex;
    machine::note_latency(latency, time, classes[entry.id].name, entry.at);
    return;
  }
  panic("lock order: '%s' released by who does not hold it", lock_class.name());
}

void note_contention(const LockClass& lock_class) {
  classes[LockChecker::id_of(lock_class)].contentions.fetch_add(1, std::memory_order_relaxed);
}

bool holds(const void* lock, LockKind kind) {
  machine::InterruptGuard guard;
  const HeldLocks& held = kind == LockKind::Spin ? held_spinlocks() : held_sleeping_locks();
  for (size_t i = 0; i < held.count; i++)
    if (held.entries[i].lock == lock) return true;
  return false;
}

void assert_may_sleep() {
  if (machine::this_cpu().in_interrupt) panic("lock order: sleeping in an interrupt");
  if (machine::this_cpu().spin_depth == 0) return;
  const HeldLocks& held = held_spinlocks();
  panic("lock order: sleeping with %s%s", held.count != 0 ? "spinlock held: " : "interrupts off",
        held.count != 0 ? classes[held.entries[held.count - 1].id].name : "");
}

void set_held_locks_finder(HeldLocks* (*find)()) { find_thread_locks = find; }

size_t lock_class_count() { return class_count.load(std::memory_order_acquire) - 1u; }

LockStatistics lock_class_statistics(size_t index) {
  const ClassRecord& record = classes[index + 1];
  return {record.name, record.acquisitions.load(std::memory_order_relaxed),
          record.contentions.load(std::memory_order_relaxed), record.longest_hold.load(std::memory_order_relaxed)};
}

}  // namespace tine::sync

#endif
