// SPDX-License-Identifier: BSD-2-Clause
// mmap(2), munmap(2), mprotect(2), brk(2), mremap(2), msync(2), mincore(2), madvise(2), mlock(2),
// membarrier(2): their flags, translated for vm::AddressSpace. process_vm_readv(2) is in remote_memory.cpp.
#include "abi/linux/memory.h"

#include "abi/linux/descriptors.h"
#include "file/mount.h"
#include "identity/credentials.h"
#include "mem/buffer.h"
#include "sched/scheduler.h"
#include "vm/address_space.h"

namespace tine::abi::linux_abi {

using machine::kPageSize;
using process::Resource;
using vm::AddressSpace;

namespace {

constexpr uint64_t kMapShared = 1, kMapPrivate = 2, kMapSharedValidate = 3, kMapTypeMask = 0xf,
                   kMapFixed = 0x10, kMapAnonymous = 0x20, kMap32Bit = 0x40, kMapGrowsDown = 0x100,
                   kMapDenyWrite = 0x800, kMapExecutable = 0x1000, kMapLocked = 0x2000,
                   kMapNoReserve = 0x4000, kMapPopulate = 0x8000, kMapNonBlock = 0x10000, kMapStack = 0x20000,
                   kMapHugeTlb = 0x40000, kMapFixedNoReplace = 0x100000;
constexpr uint64_t kMapKnown = kMapTypeMask | kMapFixed | kMapAnonymous | kMap32Bit | kMapGrowsDown |
                               kMapDenyWrite | kMapExecutable | kMapLocked | kMapNoReserve | kMapPopulate |
                               kMapNonBlock | kMapStack | kMapFixedNoReplace;
constexpr uint64_t kProtGrowsDown = 0x01000000, kProtGrowsUp = 0x02000000;
constexpr uint64_t kRemapMayMove = 1, kRemapFixed = 2, kRemapDontUnmap = 4;
constexpr uint64_t kSyncAsync = 1, kSyncInvalidate = 2, kSyncSync = 4;
constexpr uint64_t kLockCurrent = 1, kLockFuture = 2, kLockOnFault = 4;

AddressSpace& space_of(const Call& call) { return *call.process().own_address_space(); }

bool may_lock_all(const Call& call) {
  return call.process().credentials()->capable(identity::Capability::IpcLock);
}

// In bytes; without a limit for those who may lock what they like.
uint64_t lock_limit(const Call& call) {
  return may_lock_all(call) ? process::kUnlimited : call.process().limit(Resource::LockedMemory);
}
bool may_lock(const Call& call) { return lock_limit(call) != 0; }

CallResult done(Result<> result) {
  TRY(std::move(result));
  return 0;
}

vm::Placement placement_of(uint64_t flags) {
  if (flags & kMapFixedNoReplace) return vm::Placement::FixedNoReplace;
  if (flags & kMapFixed) return vm::Placement::Fixed;
  return flags & kMap32Bit ? vm::Placement::Low : vm::Placement::Anywhere;
}

// What the file allows: its object, and the most that mprotect may give later.
Result<> map_file(const Call& call, vm::MapRequest& request) {
  const Ref<file::File> file = TRY(get_file(call, call.as_int(4)));
  if (!file->readable()) return Error(Errno::Acces);
  const bool shared = request.flags & vm::kShared;
  if (shared && !file->writable()) request.max_protection &= static_cast<uint8_t>(~vm::kWrite);
  if (request.protection & ~request.max_protection) return Error(Errno::Acces);
  if (request.flags & vm::kGrowsDown) return Error(Errno::Inval);
  if (!file->path().empty() && file->path().mount()->has(file::kMountNoExec)) {
    if (request.protection & vm::kExecute) return Error(Errno::Perm);
    request.max_protection &= static_cast<uint8_t>(~vm::kExecute);
  }
  if (shared && file->writable()) {
    Result<Ref<vm::MemoryObject>> object = file->writable_memory_object();
    const bool sealed = !object && object.error() == Errno::Perm;
    if (!sealed || request.protection & vm::kWrite) {
      request.object = TRY(std::move(object));
      return {};
    }
    request.max_protection &= static_cast<uint8_t>(~vm::kWrite);  // to be read only, and so it stays
  }
  request.object = TRY(file->memory_object());
  return {};
}

}  // namespace

// --- Mapping ---

CallResult sys_mmap(const Call& call) {
  const uint64_t flags = call.args[3];
  const uint64_t type = flags & kMapTypeMask;
  if (type != kMapShared && type != kMapPrivate && type != kMapSharedValidate) return Error(Errno::Inval);
  if (type == kMapSharedValidate && (flags & ~kMapKnown)) return Error(Errno::OpNotSupp);
  if (flags & kMapHugeTlb) return Error(Errno::NoMem);  // there is no pool of huge pages
  if (call.args[5] % kPageSize != 0) return Error(Errno::Inval);

  vm::MapRequest request;
  request.address = call.args[0];
  request.size = call.args[1];
  request.placement = placement_of(flags);
  request.protection = call.args[2] & vm::kAnyAccess;
  request.flags = static_cast<uint16_t>((type != kMapPrivate ? vm::kShared : 0) |
                                        (flags & kMapGrowsDown ? vm::kGrowsDown : 0) |
                                        (flags & kMapNoReserve ? vm::kNoReserve : 0));
  request.populate = (flags & kMapPopulate) && !(flags & kMapNonBlock);
  request.lock = flags & kMapLocked;
  request.lock_limit = lock_limit(call);
  if (request.lock && !may_lock(call)) return Error(Errno::Perm);
  if (!(flags & kMapAnonymous)) {
    request.offset = call.args[5] / kPageSize;
    TRY(map_file(call, request));
  } else if (request.flags & vm::kShared && request.flags & vm::kGrowsDown) {
    return Error(Errno::Inval);
  }
  return space_of(call).map(request);
}

CallResult sys_munmap(const Call& call) { return done(space_of(call).unmap(call.args[0], call.args[1])); }

CallResult sys_mprotect(const Call& call) {
  uintptr_t start = call.args[0];
  uint64_t size = call.args[1];
  uint64_t protection = call.args[2];
  const uint64_t grows = protection & (kProtGrowsDown | kProtGrowsUp);
  protection &= ~grows;
  if (grows & kProtGrowsUp) return Error(Errno::Inval);  // no region grows up
  if (protection & ~uint64_t{vm::kAnyAccess}) return Error(Errno::Inval);
  if (grows != 0) {  // down to the start of the stack that `start` is in
    const vm::RegionMap regions = space_of(call).regions();
    const vm::Region* region = regions.find(start);
    if (region == nullptr) return Error(Errno::NoMem);
    if (!(region->flags & vm::kGrowsDown)) return Error(Errno::Inval);
    size += start - region->start;
    start = region->start;
  }
  return done(space_of(call).protect(start, size, static_cast<uint8_t>(protection)));
}

CallResult sys_brk(const Call& call) { return space_of(call).set_break(call.args[0], lock_limit(call)); }

CallResult sys_mremap(const Call& call) {
  const uint64_t flags = call.args[3];
  if (flags & ~(kRemapMayMove | kRemapFixed | kRemapDontUnmap)) return Error(Errno::Inval);
  if ((flags & (kRemapFixed | kRemapDontUnmap)) && !(flags & kRemapMayMove)) return Error(Errno::Inval);
  return space_of(call).remap({.address = call.args[0],
                               .old_size = call.args[1],
                               .new_size = call.args[2],
                               .may_move = (flags & kRemapMayMove) != 0,
                               .fixed = (flags & kRemapFixed) != 0,
                               .keep_old = (flags & kRemapDontUnmap) != 0,
                               .new_address = call.args[4],
                               .lock_limit = lock_limit(call)});
}

// --- Hints and questions ---

CallResult sys_msync(const Call& call) {
  const uint64_t flags = call.args[2];
  if (flags & ~(kSyncAsync | kSyncInvalidate | kSyncSync)) return Error(Errno::Inval);
  if ((flags & kSyncAsync) && (flags & kSyncSync)) return Error(Errno::Inval);
  if (call.args[0] % kPageSize != 0) return Error(Errno::Inval);
  return done(space_of(call).check_mapped(call.args[0], call.args[1]));
}

CallResult sys_mincore(const Call& call) {
  uintptr_t start = call.args[0];
  if (start % kPageSize != 0) return Error(Errno::Inval);
  if (!vm::is_user_range(start, call.args[1])) return Error(Errno::NoMem);
  uint64_t left = round_up(call.args[1], kPageSize) / kPageSize;
  vm::UserPtr<uint8_t> into = call.pointer<uint8_t>(2);
  auto buffer = TRY(mem::Buffer<uint8_t>::make(std::min<uint64_t>(left, 4096)));
  while (left != 0) {
    const std::span<uint8_t> part = buffer.span().first(std::min<uint64_t>(left, buffer.size()));
    TRY(space_of(call).list_resident(start, part));
    TRY((vm::UserSpan<uint8_t>(into, part.size()).copy_out(part)));
    start += part.size() * kPageSize;
    into = into + part.size();
    left -= part.size();
    TRY(sched::step());
  }
  return 0;
}

CallResult sys_madvise(const Call& call) {
  // By number: the hints NORMAL ... WILLNEED (0-3), KSM and huge pages (12-15), COLD, PAGEOUT (20, 21); and
  // what vm::Advice lists.
  constexpr uint32_t kKnown = 0xf | 0xf << 12 | 0x3 << 20 | 1 << 4 | 0xf << 8 | 0xf << 16 | 0x3 << 22;
  const unsigned advice = call.as_unsigned(2);
  if (advice >= 32 || !(kKnown >> advice & 1)) return Error(Errno::Inval);
  return done(space_of(call).advise(call.args[0], call.args[1], call.as_int(2)));
}

// --- Locking ---

CallResult sys_mlock(const Call& call) {
  if (!may_lock(call)) return Error(Errno::Perm);
  return done(space_of(call).lock_memory(call.args[0], call.args[1], lock_limit(call),
                                         AddressSpace::LockNow::Populate));
}

CallResult sys_mlock2(const Call& call) {
  constexpr uint64_t kOnFault = 1;
  if (call.args[2] & ~kOnFault) return Error(Errno::Inval);
  if (!may_lock(call)) return Error(Errno::Perm);
  const auto when =
      call.args[2] & kOnFault ? AddressSpace::LockNow::OnFault : AddressSpace::LockNow::Populate;
  return done(space_of(call).lock_memory(call.args[0], call.args[1], lock_limit(call), when));
}

CallResult sys_munlock(const Call& call) {
  return done(space_of(call).unlock_memory(call.args[0], call.args[1]));
}

CallResult sys_mlockall(const Call& call) {
  const uint64_t flags = call.args[0];
  if (flags & ~(kLockCurrent | kLockFuture | kLockOnFault)) return Error(Errno::Inval);
  if (!(flags & (kLockCurrent | kLockFuture))) return Error(Errno::Inval);
  if (!may_lock(call)) return Error(Errno::Perm);
  const auto when = flags & kLockOnFault ? AddressSpace::LockNow::OnFault : AddressSpace::LockNow::Populate;
  return done(space_of(call).lock_all(flags & kLockCurrent, flags & kLockFuture, lock_limit(call), when));
}

CallResult sys_munlockall(const Call& call) { return done(space_of(call).unlock_all()); }

// --- membarrier ---

// The private expedited commands interrupt every CPU that runs a thread of the process; an interrupt, and the
// return from it, order memory and the instruction stream. A thread that is switched to later is ordered by
// the switch.
CallResult sys_membarrier(const Call& call) {
  constexpr unsigned kQuery = 0, kGlobal = 1, kPrivateExpedited = 8, kRegisterPrivateExpedited = 16,
                     kPrivateSyncCore = 32, kRegisterPrivateSyncCore = 64;
  if (call.args[1] != 0) return Error(Errno::Inval);
  switch (call.as_unsigned(0)) {
    case kQuery:
      return kGlobal | kPrivateExpedited | kRegisterPrivateExpedited | kPrivateSyncCore |
             kRegisterPrivateSyncCore;
    case kGlobal:
      machine::shoot_down_tlb((machine::CpuSet{1} << machine::cpu_count()) - 1, 0, kPageSize);
      return 0;
    case kPrivateExpedited:
    case kPrivateSyncCore:
      machine::shoot_down_tlb(space_of(call).active_cpus(), 0, kPageSize);
      return 0;
    case kRegisterPrivateExpedited:
    case kRegisterPrivateSyncCore:
      return 0;  // nothing has to be set up
    default:
      return Error(Errno::Inval);
  }
}

}  // namespace tine::abi::linux_abi
