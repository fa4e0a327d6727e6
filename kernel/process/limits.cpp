// SPDX-License-Identifier: BSD-2-Clause
#include "process/limits.h"

#include <algorithm>

#include "base/log.h"
#include "machine/clock.h"
#include "mem/fault_injection.h"
#include "mem/frame.h"
#include "identity/credentials.h"
#include "process/ids.h"

namespace tine::process {

namespace {

using identity::Kept;

constinit TableSlots processes{"process", 32768};
constinit TableSlots threads{"thread", 65536};
constexpr Nanoseconds kFullTableMessageInterval = 10 * kSecond;   // L3

}  // namespace

TableSlots& process_slots() { return processes; }
TableSlots& thread_slots() { return threads; }

void size_tables(unsigned process_limit, unsigned thread_limit) {
  // An idle process takes some 40 KiB. Half of memory for processes, within what pids and thread ids allow.
  const uint64_t room = mem::count_frames().total * mem::kPageSize / 2 / 40_KiB;
  const unsigned by_memory = static_cast<unsigned>(std::min<uint64_t>(room, static_cast<uint64_t>(pid_max()) * 9 / 10));
  processes.set_limit(process_limit != 0 ? process_limit : by_memory);
  threads.set_limit(thread_limit != 0 ? thread_limit : by_memory * 2);
  identity::size_bounds(mem::count_frames().total * mem::kPageSize);
}

Result<Slot> TableSlots::take(bool privileged) {
  if (mem::should_fail()) return Error(Errno::Again);
  const unsigned most = limit();
  const unsigned allowed = privileged ? most : (most > reserve_of(most) ? most - reserve_of(most) : 0);
  unsigned count = used();
  do {
    if (count >= allowed) {
      const Nanoseconds now = machine::now();
      uint64_t last = last_logged_.load();
      if ((last == 0 || now - last >= kFullTableMessageInterval) && last_logged_.compare_exchange_strong(last, now | 1))
        log(LogLevel::Warning, "%s table is full (%u of %u)\n", name_, count, most);
      return Error(Errno::Again);
    }
  } while (!used_.compare_exchange_weak(count, count + 1));
  return Slot(this);
}

Slot::~Slot() {
  if (table_ != nullptr) table_->used_.fetch_sub(1);
}

Result<UserCharge> UserCharge::take(Ref<identity::UserRecord> user, uint64_t limit) {
  if (mem::should_fail() || !identity::charge_within(*user, Kept::Threads, 1, limit)) return Error(Errno::Again);
  identity::charge_anyway(*user, Kept::Processes, 1);
  UserCharge charge;
  charge.user_ = std::move(user);
  return charge;
}

bool UserCharge::add_thread(uint64_t limit) {
  if (user_ != nullptr && !identity::charge_within(*user_, Kept::Threads, 1, limit)) return false;
  ++threads_;
  return true;
}

void UserCharge::remove_thread() {
  DEBUG_ASSERT(threads_ > 1);
  --threads_;
  if (user_ != nullptr) identity::uncharge(*user_, Kept::Threads, 1);
}

void UserCharge::move_to(const Ref<identity::UserRecord>& user) {
  if (user_ == nullptr || user_ == user) return;
  identity::charge_anyway(*user, Kept::Threads, threads_);
  identity::charge_anyway(*user, Kept::Processes, 1);
  identity::uncharge(*user_, Kept::Threads, threads_);
  identity::uncharge(*user_, Kept::Processes, 1);
  user_ = user;
}

UserCharge::~UserCharge() {
  if (user_ == nullptr) return;
  identity::uncharge(*user_, Kept::Threads, threads_);
  identity::uncharge(*user_, Kept::Processes, 1);
}

bool passes_limits(const identity::Credentials& credentials) {
  return credentials.ruid == 0 || credentials.capable(identity::Capability::SysResource) ||
         credentials.capable(identity::Capability::SysAdmin);
}

Result<Ref<Limits>> Limits::make_default() {
  Ref<Limits> limits = TRY(mem::make_ref<Limits>());
  const auto set = [&](Resource resource, uint64_t current, uint64_t maximum) {
    limits->values[static_cast<unsigned>(resource)] = {current, maximum};
  };
  // A fork bomb of shells, whose children take some 160 KiB each, is to leave room: a quarter of memory is its share.
  const uint64_t by_memory = mem::count_frames().total * mem::kPageSize / 4 / 160_KiB;
  const uint64_t processes_per_user = std::min<uint64_t>(process_slots().limit() / 2, std::max<uint64_t>(by_memory, 64));
  set(Resource::Stack, 8_MiB, kUnlimited);
  set(Resource::Core, 0, kUnlimited);
  set(Resource::Processes, processes_per_user, processes_per_user);
  set(Resource::Files, 1024, 1u << 20);
  set(Resource::LockedMemory, 8_MiB, 8_MiB);
  set(Resource::PendingSignals, processes_per_user, processes_per_user);
  set(Resource::MessageQueue, 819200, 819200);
  set(Resource::Nice, 0, 0);
  set(Resource::RealtimePriority, 0, 0);
  return limits;
}

Result<Ref<Limits>> Limits::clone() const {
  Ref<Limits> copy = TRY(mem::make_ref<Limits>());
  for (unsigned i = 0; i < static_cast<unsigned>(Resource::kCount); ++i) copy->values[i] = values[i];
  return copy;
}

}  // namespace tine::process
