// SPDX-License-Identifier: BSD-2-Clause
// System V shared memory: segments that processes find by a key or an id and attach. A segment is an object like any
// other shared memory, so a fork shares its attachments with the region map's root (as the BSDs' shmfork does by hand), and
// they end with the mappings. The table of ids holds a reference until IPC_RMID; after that the last mapping does.
// Source: shmget(2), shmop(2), shmctl(2). Lock: the table's, which is taken with no other; a segment's for its pages.
#pragma once

#include "identity/charge.h"
#include "identity/credentials.h"
#include "vm/memory_object.h"

namespace tine::vm {

class AddressSpace;

class SharedSegment final : public MemoryObject, public mem::FromCache<SharedSegment> {
 public:
  using mem::FromCache<SharedSegment>::operator new;
  using mem::FromCache<SharedSegment>::operator delete;

  static constexpr int kPrivate = 0;                             // IPC_PRIVATE: no key
  static constexpr unsigned kMostSegments = 4096;                // SHMMNI: kernel.shmmni is at most this
  static std::atomic<uint64_t> most_bytes;                       // kernel.shmmax: of one segment
  static constexpr uint32_t kDestroyed = 01000, kLocked = 02000; // SHM_DEST, SHM_LOCKED, beside the permission bits

  // What shmctl(IPC_STAT) tells, but for the number of attachments. Times are seconds since 1970; 0: never.
  struct Status {
    int key = kPrivate;
    int id = 0;
    identity::Uid uid = 0, creator_uid = 0;
    identity::Gid gid = 0, creator_gid = 0;
    uint32_t mode = 0;
    uint64_t bytes = 0;
    int64_t attached_at = 0, detached_at = 0, changed_at = 0;
    int creator = 0, last_user = 0;   // pids
  };

  struct GetRequest {
    int key = kPrivate;
    uint64_t bytes = 0;
    uint32_t mode = 0;        // permission bits: of a new segment, or what is wanted of an old one
    bool create = false;      // IPC_CREAT
    bool exclusive = false;   // IPC_EXCL
    int pid = 0;
  };
  // Finds or makes one: its id. A new one is charged to the running thread's user with its whole size, used or not: it
  // outlives its processes. Errors: Exist, NoEnt, Inval, Acces, NoSpc (kernel.shmall, kernel.shmmni), NoMem.
  static Result<int> get(const identity::Credentials& who, const GetRequest& request);
  static Result<Ref<SharedSegment>> find(int id);               // Inval: there is none
  static Ref<SharedSegment> at_index(unsigned index);           // for SHM_STAT; null: the place is empty
  static Ref<SharedSegment> of(const MemoryObject& object);     // null: `object` is something else
  struct Totals {
    unsigned segments = 0;
    int highest_index = -1;
    uint64_t pages = 0, resident = 0;
  };
  static Totals totals();

  Status status() const;
  // `wanted`: permission bits as in a mode's lowest digit. Errors: Acces.
  Result<> check_access(const identity::Credentials& who, uint32_t wanted) const;
  Result<> check_owner(const identity::Credentials& who) const; // Perm
  void note_attached(int pid);
  void note_detached(int pid);
  void set_owner(identity::Uid uid, identity::Gid gid, uint32_t mode);
  void set_locked(bool locked);
  // IPC_RMID: no longer found by its key; gone with the last attachment.
  void remove();
  // How often it is attached, counted over all address spaces: fork takes no step for each attachment.
  uint64_t attachments();

  struct Charges {
    identity::Charge<identity::Kept::Segments> segment;
    identity::Charge<identity::Kept::SegmentPages> pages;
  };
  SharedSegment(const Status& status, Ref<AnonymousObject> memory, Charges charges)
      : status_(status), memory_(std::move(memory)), charges_(std::move(charges)) {}
  ~SharedSegment() override;

  Result<mem::Frame*> page(uint64_t index, Access access) override { return memory_->page(index, access); }
  void resident_pages(uint64_t first, std::span<mem::Frame*> into) override { memory_->resident_pages(first, into); }
  uint64_t next_resident(uint64_t index) const override { return memory_->next_resident(index); }
  uint64_t size() const override { return memory_->size(); }
  Identity identity() const override { return {.device = 0, .inode = static_cast<uint64_t>(id_)}; }
  std::string_view path(std::span<char> buffer) const override;

 private:
  Status status_;   // guarded by the table's lock
  int id_ = 0;      // fixed once it is in the table
  const Ref<AnonymousObject> memory_;
  const Charges charges_;
};

}  // namespace tine::vm
