// SPDX-License-Identifier: BSD-2-Clause
#include "identity/charge.h"

#include <algorithm>

#include "base/assert.h"
#include "base/units.h"

namespace tine::identity {
namespace {

constinit Bound bounds[kKeptKinds];
constinit std::atomic<uint64_t> totals[kKeptKinds];
constinit std::atomic<uint64_t> lasting{0};        // bytes, of ordinary users
constinit std::atomic<uint64_t> lasting_most{kNoBound};
constinit std::atomic<Payer (*)()> payer_finder{nullptr};

std::atomic<uint64_t>& total(Kept kind) { return totals[static_cast<size_t>(kind)]; }

bool add_within(std::atomic<uint64_t>& count, uint64_t amount, uint64_t most) {
  uint64_t now = count.load(std::memory_order_relaxed);
  do {
    if (amount > most || now > most - amount) return false;
  } while (!count.compare_exchange_weak(now, now + amount, std::memory_order_relaxed));
  return true;
}

void subtract(std::atomic<uint64_t>& count, uint64_t amount) {
  [[maybe_unused]] const uint64_t before = count.fetch_sub(amount, std::memory_order_relaxed);
  DEBUG_ASSERT(before >= amount);
}

bool add_to_total(Kept kind, uint64_t amount, bool has_reserve) {
  if (!description_of(kind).has_total) return true;
  const Bound& bound = bound_of(kind);
  const uint64_t of_all = bound.of_all.load(std::memory_order_relaxed);
  const uint64_t reserve = has_reserve ? 0 : bound.reserve.load(std::memory_order_relaxed);
  return add_within(total(kind), amount, of_all > reserve ? of_all - reserve : 0);
}
void subtract_from_total(Kept kind, uint64_t amount) {
  if (description_of(kind).has_total) subtract(total(kind), amount);
}

bool counts_as_lasting(const UserRecord& user, Kept kind) { return description_of(kind).lasting && user.uid != 0; }

bool charge_up_to(UserRecord& user, Kept kind, uint64_t amount, uint64_t of_user, bool has_reserve) {
  if (!add_within(user.count_of(kind), amount, of_user)) return false;
  if (add_to_total(kind, amount, has_reserve)) {
    if (!counts_as_lasting(user, kind)) return true;
    const uint64_t most = has_reserve ? kNoBound : lasting_most.load(std::memory_order_relaxed);
    if (add_within(lasting, amount * description_of(kind).bytes, most)) return true;
    subtract_from_total(kind, amount);
  }
  subtract(user.count_of(kind), amount);
  return false;
}

}  // namespace

Bound& bound_of(Kept kind) { return bounds[static_cast<size_t>(kind)]; }
uint64_t total_of(Kept kind) { return total(kind).load(std::memory_order_relaxed); }
uint64_t lasting_bytes() { return lasting.load(std::memory_order_relaxed); }
std::atomic<uint64_t>& lasting_bound() { return lasting_most; }

Payer current_payer() {
  const auto find = payer_finder.load(std::memory_order_relaxed);
  return find != nullptr ? find() : Payer();
}
void set_payer_finder(Payer (*find)()) { payer_finder.store(find, std::memory_order_relaxed); }

bool charge(UserRecord& user, Kept kind, uint64_t amount, bool privileged) {
  return charge_up_to(user, kind, amount, privileged ? kNoBound : bound_of(kind).of_user.load(std::memory_order_relaxed),
                      privileged);
}

bool charge_within(UserRecord& user, Kept kind, uint64_t amount, uint64_t most) {
  return charge_up_to(user, kind, amount, most, user.uid == 0);
}

void charge_anyway(UserRecord& user, Kept kind, uint64_t amount) {
  user.count_of(kind).fetch_add(amount, std::memory_order_relaxed);
  if (description_of(kind).has_total) total(kind).fetch_add(amount, std::memory_order_relaxed);
  if (counts_as_lasting(user, kind)) lasting.fetch_add(amount * description_of(kind).bytes, std::memory_order_relaxed);
}

void uncharge(UserRecord& user, Kept kind, uint64_t amount) {
  subtract(user.count_of(kind), amount);
  subtract_from_total(kind, amount);
  if (counts_as_lasting(user, kind)) subtract(lasting, amount * description_of(kind).bytes);
}

// Defaults are Linux's where memory has room for them. A user's share of a kind is at most a sixteenth of memory or so; an
// eighth for what carries data.
void size_bounds(uint64_t memory) {
  const auto room_for = [&](uint64_t part, Kept kind) { return memory / part / description_of(kind).bytes; };
  bound_of(Kept::OpenFiles).of_all = std::max<uint64_t>(memory / 10_KiB, 8192);   // as Linux: a tenth of it, of 1 KiB each
  bound_of(Kept::OpenFiles).reserve = bound_of(Kept::OpenFiles).of_all / 32;
  bound_of(Kept::PipePages).of_user = std::max<uint64_t>(room_for(8, Kept::PipePages), 1024);
  bound_of(Kept::MessageBytes).of_user = std::max<uint64_t>(room_for(8, Kept::MessageBytes), 1_MiB);
  bound_of(Kept::EpollItems).of_user = room_for(25, Kept::EpollItems);            // as Linux: 4 % of memory
  bound_of(Kept::Knotes).of_user = room_for(25, Kept::Knotes);
  bound_of(Kept::FileLocks).of_user = std::min<uint64_t>(room_for(64, Kept::FileLocks), 65536);
  bound_of(Kept::Ptys).of_all = std::clamp<uint64_t>(room_for(16, Kept::Ptys), 64, 4096);
  bound_of(Kept::Ptys).reserve = bound_of(Kept::Ptys).of_all / 4;                 // Linux: 1024 of 4096
  bound_of(Kept::Segments).of_all = 4096;
  bound_of(Kept::Segments).reserve = 64;
  bound_of(Kept::SegmentPages).of_all = ~uint64_t{0} - (uint64_t{1} << 24);       // kernel.shmall, as Linux
  lasting_most = memory / 8 * 3;   // half of memory is a tmpfs's default: root finds the rest of that
}

}  // namespace tine::identity
