// SPDX-License-Identifier: BSD-2-Clause
// Resource limits, shared copy on write between parent and child (seed row L7), and the global tables' limits
// (kern.maxproc, kern.maxthread: seed rows L1-L5).
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "base/ref.h"
#include "base/result.h"
#include "identity/user_record.h"
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

// A slot in a global table, held as a token: counted when taken, given back when dropped. The last 5 slots are root's.
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
  static constexpr unsigned kReservedForRoot = 5;
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
// One process counted for a user (RLIMIT_NPROC, seed row L4), as a token.
class UserCharge {
 public:
  UserCharge() = default;
  // Again when the user has `limit` processes already.
  static Result<UserCharge> take(Ref<identity::UserRecord> user, uint64_t limit);
  UserCharge(UserCharge&& other) noexcept = default;
  UserCharge& operator=(UserCharge&& other) noexcept { user_.swap(other.user_); return *this; }
  ~UserCharge();
  // Counts the process for `user` instead, beyond that user's limit if need be. A token of nobody stays one.
  void move_to(const Ref<identity::UserRecord>& user);

 private:
  Ref<identity::UserRecord> user_;
};

TableSlots& process_slots();   // kern.maxproc, kern.nprocs
TableSlots& thread_slots();    // kern.maxthread, kern.nthreads
// Boot: sets the two limits; 0: as many as memory has room for.
void size_tables(unsigned processes, unsigned threads);

}  // namespace tine::process
