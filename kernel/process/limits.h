// SPDX-License-Identifier: BSD-2-Clause
// Resource limits, shared copy on write between parent and child (seed row L7), and the global tables' limits
// (kern.maxproc, kern.maxthread: seed rows L1-L5).
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "base/ref.h"
#include "base/result.h"
#include "identity/charge.h"
#include "mem/object_cache.h"

namespace tine::process {

inline constexpr uint64_t kUnlimited = ~uint64_t{0};
enum class Resource : uint8_t {
  Cpu, FileSize, Data, Stack, Core, Rss, Processes, Files, LockedMemory, AddressSpace, Locks, PendingSignals, MessageQueue,
  Nice, RealtimePriority, RealtimeTime, kCount
};
struct Limit {
  uint64_t current = kUnlimited;
  uint64_t maximum = kUnlimited;
};

// Immutable once shared; setrlimit clones, changes and installs.
class Limits : public RefCounted<Limits>, public mem::FromCache<Limits> {
 public:
  static Result<Ref<Limits>> make_default();
  Result<Ref<Limits>> clone() const;
  Limit values[static_cast<unsigned>(Resource::kCount)];
  const Limit& operator[](Resource resource) const { return values[static_cast<unsigned>(resource)]; }
};

// A slot in a global table, held as a token: counted when taken, given back when dropped. The last 5 slots are root's, in
// a large table more.
class TableSlots;
class Slot {
 public:
  Slot() = default;
  Slot(Slot&& other) noexcept : table_(other.table_) { other.table_ = nullptr; }
  Slot& operator=(Slot&& other) noexcept { std::swap(table_, other.table_); return *this; }
  ~Slot();

 private:
  friend class TableSlots;
  explicit Slot(TableSlots* table) : table_(table) {}
  TableSlots* table_ = nullptr;
};

class TableSlots {
 public:
  constexpr TableSlots(const char* name, unsigned limit) : name_(name), limit_(limit) {}
  static constexpr unsigned kReservedForRoot = 5, kMostReserved = 64;
  // What root needs to log in, look and kill.
  static constexpr unsigned reserve_of(unsigned limit) { return std::clamp(limit / 128, kReservedForRoot, kMostReserved); }
  Result<Slot> take(bool privileged);          // Again when full; logged at most once in 10 s
  unsigned used() const { return used_.load(); }
  unsigned limit() const { return limit_.load(); }
  void set_limit(unsigned limit) { limit_ = limit; }

 private:
  friend class Slot;
  const char* name_;
  std::atomic<unsigned> limit_;
  std::atomic<unsigned> used_{0};
  std::atomic<uint64_t> last_logged_{0};
};
// One process and its threads counted for a user, as a token. Both count against RLIMIT_NPROC as on Linux, where a thread is
// a task as a process is; a zombie, which has no thread, counts as one (seed row L4). Lock: the process's.
class UserCharge {
 public:
  UserCharge() = default;
  // A process with one thread. Again when the user has `limit` threads already.
  static Result<UserCharge> take(Ref<identity::UserRecord> user, uint64_t limit);
  UserCharge(UserCharge&& other) noexcept : user_(std::move(other.user_)), threads_(other.threads_) {}
  UserCharge& operator=(UserCharge&& other) noexcept {
    user_.swap(other.user_);
    std::swap(threads_, other.threads_);
    return *this;
  }
  ~UserCharge();
  bool add_thread(uint64_t limit);   // false: the user has `limit` threads already
  void remove_thread();
  // Counts the process for `user` instead, beyond that user's limit if need be. A token of nobody stays one.
  void move_to(const Ref<identity::UserRecord>& user);

 private:
  Ref<identity::UserRecord> user_;
  uint32_t threads_ = 1;
};

// What RLIMIT_NPROC and the reserves of tables do not bind: root's processes, and who may exceed limits.
bool passes_limits(const identity::Credentials& credentials);

TableSlots& process_slots();   // kern.maxproc, kern.nprocs
TableSlots& thread_slots();    // kern.maxthread, kern.nthreads
// Boot: sets the two limits; 0: as many as memory has room for.
void size_tables(unsigned processes, unsigned threads);

}  // namespace tine::process
