// SPDX-License-Identifier: BSD-2-Clause
#include "vm/shared_segment.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "sched/clock.h"
#include "sched/scheduler.h"
#include "vm/address_space.h"

namespace tine::vm {

namespace {

// An id is its place in the table plus a multiple of this, which changes so that an old id finds nothing new.
constexpr int kIdStep = 1 << 15;
constexpr int kMostGenerations = (1 << 16) - 1;   // so that no id is negative
static_assert(SharedSegment::kMostSegments <= kIdStep);

struct Place {
  SharedSegment* segment = nullptr;   // its destructor clears this
  bool kept = false;                  // the table holds a reference, until IPC_RMID
};

constinit sync::Spinlock table_lock{"shared segments"};
constinit std::array<Place, SharedSegment::kMostSegments> table GUARDED_BY(table_lock);
constinit int generation GUARDED_BY(table_lock) = 0;

using identity::Charge;
using identity::Kept;

Result<SharedSegment::Charges> take_charges(uint64_t pages) {
  const identity::Payer payer = identity::current_payer();
  auto segment = TRY(Charge<Kept::Segments>::take(payer, Errno::NoSpc));
  auto size = TRY(Charge<Kept::SegmentPages>::take(payer, Errno::NoSpc, pages));
  return SharedSegment::Charges{std::move(segment), std::move(size)};
}

int64_t now() { return sched::wall_clock() / kSecond; }

Ref<SharedSegment> referenced(SharedSegment* segment) REQUIRES(table_lock) {
  if (segment == nullptr || !segment->try_ref()) return nullptr;
  return Ref<SharedSegment>(segment, /*add_ref=*/false);
}

uint64_t attachments_in(const RegionMap& regions, const SharedSegment& segment) {
  uint64_t count = 0;
  // The parts that mprotect or munmap have left of one attachment lie side by side and begin in the same place.
  uintptr_t last = 0;
  regions.for_each_with(segment.filter_bits(), [&](const Region& region) {
    if (region.object == nullptr || &region.object->itself() != &segment) return;
    const uintptr_t base = region.start - region.offset * kPageSize;
    if (base != last) ++count;
    last = base;
  });
  return count;
}

}  // namespace

// Linux's default: all addresses but 16 MiB.
constinit std::atomic<uint64_t> SharedSegment::most_bytes{~uint64_t{0} - (uint64_t{1} << 24)};

SharedSegment::~SharedSegment() {
  sync::SpinGuard guard(table_lock);
  Place& place = table[static_cast<unsigned>(id_ % kIdStep)];
  if (place.segment == this) place.segment = nullptr;
}

Result<int> SharedSegment::get(const identity::Credentials& who, const GetRequest& request) {
  // Made before the table is locked; given up when there is one already.
  Ref<SharedSegment> made;
  Errno no_room = Errno::Inval;   // why it was not made; only matters if there is none already
  if (request.key == kPrivate || request.create) {
    if (request.bytes <= most_bytes && request.bytes > 0) {
      const uint64_t pages = round_up(request.bytes, kPageSize) / kPageSize;
      const Status status{.key = request.key, .uid = who.euid, .creator_uid = who.euid, .gid = who.egid,
                          .creator_gid = who.egid, .mode = request.mode & 0777, .bytes = request.bytes,
                          .changed_at = now(), .creator = request.pid};
      Result<Charges> charges = take_charges(pages);
      if (!charges)
        no_room = charges.error();
      else
        made = TRY(mem::make_ref<SharedSegment>(status, TRY(mem::make_ref<AnonymousObject>(pages)), std::move(*charges)));
    }
  }
  Ref<SharedSegment> found;
  {
    sync::SpinGuard guard(table_lock);
    if (request.key != kPrivate) {
      for (const Place& place : table) {
        if (place.segment == nullptr || place.segment->status_.key != request.key) continue;
        found = referenced(place.segment);
        if (found != nullptr) break;
      }
    }
    if (found == nullptr) {
      if (request.key != kPrivate && !request.create) return Error(Errno::NoEnt);
      if (made == nullptr) return Error(no_room);
      Place* const place = std::find_if(table.begin(), table.end(), [](const Place& p) { return p.segment == nullptr; });
      if (place == table.end()) return Error(Errno::NoSpc);
      generation = (generation + 1) % kMostGenerations;
      made->id_ = made->status_.id = static_cast<int>(place - table.begin()) + generation * kIdStep;
      const int id = made->id_;
      place->kept = true;
      place->segment = made.detach();
      return id;
    }
  }
  if (request.create && request.exclusive) return Error(Errno::Exist);
  if (request.bytes > found->status().bytes) return Error(Errno::Inval);
  TRY(found->check_access(who, (request.mode >> 6 | request.mode >> 3 | request.mode) & 7));
  return found->id_;
}

Result<Ref<SharedSegment>> SharedSegment::find(int id) {
  if (id < 0) return Error(Errno::Inval);
  Ref<SharedSegment> segment = at_index(static_cast<unsigned>(id % kIdStep));
  if (segment == nullptr || segment->id_ != id) return Error(Errno::Inval);
  return segment;
}

Ref<SharedSegment> SharedSegment::at_index(unsigned index) {
  if (index >= kMostSegments) return nullptr;
  sync::SpinGuard guard(table_lock);
  return referenced(table[index].segment);
}

Ref<SharedSegment> SharedSegment::of(const MemoryObject& object) {
  sync::SpinGuard guard(table_lock);
  for (const Place& place : table)
    if (place.segment == &object) return referenced(place.segment);
  return nullptr;
}

SharedSegment::Totals SharedSegment::totals() {
  Totals totals;
  for (unsigned i = 0; i < kMostSegments; i++) {
    const Ref<SharedSegment> segment = at_index(i);
    if (segment == nullptr) continue;
    ++totals.segments;
    totals.highest_index = static_cast<int>(i);
    totals.pages += segment->size() / kPageSize;
    totals.resident += segment->memory_->resident();
  }
  return totals;
}

SharedSegment::Status SharedSegment::status() const {
  sync::SpinGuard guard(table_lock);
  return status_;
}

Result<> SharedSegment::check_access(const identity::Credentials& who, uint32_t wanted) const {
  const Status now = status();
  uint32_t granted = now.mode;
  if (who.euid == now.uid || who.euid == now.creator_uid) {
    granted >>= 6;
  } else if (who.in_group(now.gid) || who.in_group(now.creator_gid)) {
    granted >>= 3;
  }
  if ((wanted & ~granted & 7) != 0 && !who.capable(identity::Capability::IpcOwner)) return Error(Errno::Acces);
  return {};
}

Result<> SharedSegment::check_owner(const identity::Credentials& who) const {
  const Status now = status();
  if (who.euid != now.uid && who.euid != now.creator_uid && !who.capable(identity::Capability::SysAdmin))
    return Error(Errno::Perm);
  return {};
}

void SharedSegment::note_attached(int pid) {
  sync::SpinGuard guard(table_lock);
  status_.attached_at = now();
  status_.last_user = pid;
}

void SharedSegment::note_detached(int pid) {
  sync::SpinGuard guard(table_lock);
  status_.detached_at = now();
  status_.last_user = pid;
}

void SharedSegment::set_owner(identity::Uid uid, identity::Gid gid, uint32_t mode) {
  sync::SpinGuard guard(table_lock);
  status_.uid = uid;
  status_.gid = gid;
  status_.mode = (status_.mode & ~0777u) | (mode & 0777);
  status_.changed_at = now();
}

void SharedSegment::set_locked(bool locked) {
  sync::SpinGuard guard(table_lock);
  status_.mode = locked ? status_.mode | kLocked : status_.mode & ~kLocked;
}

void SharedSegment::remove() {
  Ref<SharedSegment> keeper;   // dropped without the lock, which the destructor takes
  {
    sync::SpinGuard guard(table_lock);
    status_.key = kPrivate;
    status_.mode |= kDestroyed;
    Place& place = table[static_cast<unsigned>(id_ % kIdStep)];
    if (place.kept) keeper.reset(this, /*add_ref=*/false);
    place.kept = false;
  }
}

uint64_t SharedSegment::attachments() {
  uint64_t count = 0, in_map = 0;
  RegionMap counted;   // forked spaces share their map: what the last one had
  AddressSpace::for_each([&](AddressSpace& space) {
    const RegionMap regions = space.regions();
    if (!regions.is_same(counted)) in_map = attachments_in(regions, *this);
    counted = regions;
    count += in_map;
    sched::maybe_yield();
  });
  return count;
}

std::string_view SharedSegment::path(std::span<char> buffer) const {
  return format(buffer, "/SYSV%08x (deleted)", static_cast<unsigned>(status().key));
}

}  // namespace tine::vm
