// SPDX-License-Identifier: BSD-2-Clause
// shmget(2), shmat(2), shmdt(2), shmctl(2): their flags and structures, translated for vm::SharedSegment.
#include "abi/linux/shared_memory.h"

#include <algorithm>

#include "identity/access.h"
#include "identity/credentials.h"
#include "vm/address_space.h"
#include "vm/shared_segment.h"

namespace tine::abi::linux_abi {

using machine::kPageSize;
using vm::SharedSegment;

namespace {

constexpr int kCreate = 01000, kExclusive = 02000, kHugeTlb = 04000;                           // shmget
constexpr int kReadOnly = 010000, kRound = 020000, kRemap = 040000, kExecutable = 0100000;     // shmat
enum Command : int {
  kRemove = 0, kSet = 1, kStatus = 2, kLimits = 3, kLock = 11, kUnlock = 12, kStatusAt = 13, kTotals = 14, kStatusAtAny = 15,
};

struct UserPermissions {   // struct ipc64_perm
  int32_t key;
  uint32_t uid, gid, creator_uid, creator_gid, mode;
  uint16_t sequence, padding;
  uint64_t unused[2];
};
struct UserStatus {   // struct shmid64_ds
  UserPermissions permissions;
  uint64_t bytes;
  int64_t attached_at, detached_at, changed_at;
  int32_t creator, last_user;
  uint64_t attachments, unused[2];
};
static_assert(sizeof(UserStatus) == 112);
struct UserLimits {   // struct shminfo64
  uint64_t most_bytes, least_bytes, most_segments, most_for_process, most_pages, unused[4];
};
struct UserTotals {   // struct shm_info
  int32_t segments, padding;
  uint64_t pages, resident, swapped, swap_attempts, swap_successes;
};

Result<> store_status(const Call& call, SharedSegment& segment) {
  const SharedSegment::Status status = segment.status();
  const UserStatus out{.permissions = {.key = status.key, .uid = status.uid, .gid = status.gid,
                                       .creator_uid = status.creator_uid, .creator_gid = status.creator_gid,
                                       .mode = status.mode, .sequence = static_cast<uint16_t>(status.id >> 15),
                                       .padding = 0, .unused = {}},
                       .bytes = status.bytes, .attached_at = status.attached_at, .detached_at = status.detached_at,
                       .changed_at = status.changed_at, .creator = status.creator, .last_user = status.last_user,
                       .attachments = segment.attachments(), .unused = {}};
  return call.pointer<UserStatus>(2).store(out);
}

CallResult status_at(const Call& call, bool anybody) {
  const Ref<SharedSegment> segment = SharedSegment::at_index(call.as_unsigned(0));
  if (segment == nullptr) return Error(Errno::Inval);
  if (!anybody) TRY(segment->check_access(*call.process().credentials(), identity::kMayRead));
  TRY(store_status(call, *segment));
  return static_cast<uint64_t>(segment->status().id);
}

CallResult totals(const Call& call) {
  const SharedSegment::Totals totals = SharedSegment::totals();
  TRY(call.pointer<UserTotals>(2).store({.segments = static_cast<int32_t>(totals.segments), .padding = 0,
                                         .pages = totals.pages, .resident = totals.resident, .swapped = 0,
                                         .swap_attempts = 0, .swap_successes = 0}));
  return static_cast<uint64_t>(std::max(totals.highest_index, 0));
}

CallResult limits(const Call& call) {
  TRY(call.pointer<UserLimits>(2).store({.most_bytes = SharedSegment::most_bytes, .least_bytes = 1,
                                         .most_segments = identity::bound_of(identity::Kept::Segments).of_all,
                                         .most_for_process = identity::bound_of(identity::Kept::Segments).of_all,
                                         .most_pages = identity::bound_of(identity::Kept::SegmentPages).of_all,
                                         .unused = {}}));
  return static_cast<uint64_t>(std::max(SharedSegment::totals().highest_index, 0));
}

CallResult change(const Call& call, SharedSegment& segment, int command) {
  const identity::CredentialsRef who = call.process().credentials();
  switch (command) {
    case kStatus:
      TRY(segment.check_access(*who, identity::kMayRead));
      TRY(store_status(call, segment));
      return 0;
    case kSet: {
      const UserStatus wanted = TRY(call.pointer<UserStatus>(2).load());
      TRY(segment.check_owner(*who));
      segment.set_owner(wanted.permissions.uid, wanted.permissions.gid, wanted.permissions.mode);
      return 0;
    }
    case kRemove:
      TRY(segment.check_owner(*who));
      segment.remove();
      return 0;
    case kLock:
    case kUnlock:
      if (!who->capable(identity::Capability::IpcLock)) TRY(segment.check_owner(*who));
      segment.set_locked(command == kLock);   // memory never leaves: there is no swap
      return 0;
    default: return Error(Errno::Inval);
  }
}

}  // namespace

CallResult sys_shmget(const Call& call) {
  const int flags = call.as_int(2);
  if (flags & kHugeTlb) return Error(Errno::NoMem);   // there is no pool of huge pages
  return static_cast<uint64_t>(TRY(SharedSegment::get(
      *call.process().credentials(),
      {.key = call.as_int(0), .bytes = call.args[1], .mode = static_cast<uint32_t>(flags) & 0777,
       .create = (flags & kCreate) != 0, .exclusive = (flags & kExclusive) != 0, .pid = call.process().pid()})));
}

CallResult sys_shmat(const Call& call) {
  const int flags = call.as_int(2);
  uintptr_t address = call.args[1];
  if (flags & kRound) address -= address % kPageSize;
  if (address % kPageSize != 0 || (address == 0 && (flags & kRemap))) return Error(Errno::Inval);
  const Ref<SharedSegment> segment = TRY(SharedSegment::find(call.as_int(0)));
  const bool writes = !(flags & kReadOnly), executes = flags & kExecutable;
  TRY(segment->check_access(*call.process().credentials(), identity::kMayRead |
                                                               (writes ? identity::kMayWrite : 0) |
                                                               (executes ? identity::kMayExecute : 0)));
  const auto protection =
      static_cast<uint8_t>(vm::kRead | (writes ? vm::kWrite : 0) | (executes ? vm::kExecute : 0));
  const auto placement = address == 0      ? vm::Placement::Anywhere
                         : flags & kRemap ? vm::Placement::Fixed
                                          : vm::Placement::FixedNoReplace;
  const auto place = call.process().own_address_space()->map(
      {.address = address,
       .size = segment->size(),
       .placement = placement,
       .protection = protection,
       .max_protection = static_cast<uint8_t>(writes ? vm::kAnyAccess : vm::kRead | vm::kExecute),
       .flags = vm::kShared,
       .object = segment});
  if (!place) return Error(place.error() == Errno::Exist ? Errno::Inval : place.error());
  segment->note_attached(call.process().pid());
  return *place;
}

CallResult sys_shmdt(const Call& call) {
  const uintptr_t base = call.args[0];
  if (base % kPageSize != 0) return Error(Errno::Inval);
  vm::AddressSpace& space = *call.process().own_address_space();
  // What is mapped there now tells the segment, or what is mapped behind it, if its first part is gone.
  const vm::RegionMap regions = space.regions();
  const vm::Region* region = regions.at_or_after(base);
  if (region == nullptr || region->object == nullptr) return Error(Errno::Inval);
  const Ref<SharedSegment> segment = SharedSegment::of(region->object->itself());
  if (segment == nullptr) return Error(Errno::Inval);
  TRY(space.detach(base, *segment));
  segment->note_detached(call.process().pid());
  return 0;
}

CallResult sys_shmctl(const Call& call) {
  const int command = call.as_int(1);
  switch (command) {
    case kLimits: return limits(call);
    case kTotals: return totals(call);
    case kStatusAt: return status_at(call, /*anybody=*/false);
    case kStatusAtAny: return status_at(call, /*anybody=*/true);
    default: return change(call, *TRY(SharedSegment::find(call.as_int(0))), command);
  }
}

}  // namespace tine::abi::linux_abi
