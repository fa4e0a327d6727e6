// SPDX-License-Identifier: BSD-2-Clause
// FileObject: the contents of a regular file in memory. Reading, writing and mapping all go to the same pages. Pages that
// nobody has written are holes; pages of the initrd are referred to, not copied, until they are written.
// Locks: changes of the size and writes come under the inode's lock; pages_lock guards the store, and is not held while
// user memory is copied, because a page fault there may need it. Order: inode, address space, file pages.
#pragma once

#include <atomic>

#include "file/io_buffer.h"
#include "identity/charge.h"
#include "mem/buffer.h"
#include "vm/memory_object.h"

namespace tine::file {

class Path;

// Of which each file system has so many: pages, inodes. The last `reserve` are root's.
struct Quota {
  std::atomic<uint64_t> limit{0}, reserve{0}, used{0};

  bool has_room(uint64_t amount, bool for_root) const {
    const uint64_t kept = for_root ? 0 : reserve.load(std::memory_order_relaxed);
    return used.load(std::memory_order_relaxed) + amount + kept <= limit.load(std::memory_order_relaxed);
  }
  // False: there is no room, nothing is taken.
  bool take(uint64_t amount, bool for_root) {
    used.fetch_add(amount, std::memory_order_relaxed);
    if (has_room(0, for_root)) return true;
    give_back(amount);
    return false;
  }
  void give_back(uint64_t amount) { used.fetch_sub(amount, std::memory_order_relaxed); }
};

// The pages of one file system; shared with its files, which a mapping can keep longer than the file system.
struct PageQuota final : Quota, RefCounted<PageQuota>, mem::FromCache<PageQuota> {};

class FileObject final : public vm::MemoryObject, public mem::FromCache<FileObject> {
 public:
  using mem::FromCache<FileObject>::operator new;
  using mem::FromCache<FileObject>::operator delete;

  // `payer`: to whom its pages are charged.
  FileObject(Ref<PageQuota> quota, Identity identity, identity::Payer payer)
      : quota_(std::move(quota)), identity_(identity), charge_(PagesCharge::take_anyway(std::move(payer), 0)) {}
  ~FileObject() override;

  // --- For the file. `offset` is advanced by what was moved. ---
  Result<size_t> read(IoBuffer& into, uint64_t& offset);
  Result<size_t> write(IoBuffer& from, uint64_t& offset);         // under the inode's lock
  Result<> resize(uint64_t size);                                 // under the inode's lock
  Result<> allocate(uint64_t offset, uint64_t length);            // fills holes: all or none
  Result<> punch_hole(uint64_t offset, uint64_t length);          // zeroes, and gives whole pages back
  // The first byte >= offset of data or of a hole (the end counts as one). Nxio at or past the end.
  Result<uint64_t> next_data(uint64_t offset);
  Result<uint64_t> next_hole(uint64_t offset);
  uint64_t page_count();
  Result<> adopt_page(uint64_t index, mem::Frame& page);          // initrd: takes over the reference
  void remember_name(const Path& path);                           // for /proc/PID/maps; the first one stays
  int writable_mappings() const { return writable_mappings_.load(); }

  // --- vm::MemoryObject ---
  Result<mem::Frame*> page(uint64_t index, vm::Access access) override;
  void resident_pages(uint64_t first, std::span<mem::Frame*> into) override;
  uint64_t next_resident(uint64_t index) const override;
  uint64_t size() const override { return size_.load(std::memory_order_acquire); }
  Identity identity() const override { return identity_; }
  std::string_view path(std::span<char> buffer) const override;
  void writable_mapping_changed(int by) override { writable_mappings_.fetch_add(by); }

 private:
  Result<mem::Frame*> writable_page(uint64_t index) REQUIRES(pages_lock_);   // NoSpc when the quota is used up
  // `made` has a second reference to what is made.
  Result<> fill_hole(uint64_t index, vm::PageStore& made) REQUIRES(pages_lock_);
  Result<> zero_part(uint64_t start, uint64_t end) REQUIRES(pages_lock_);    // within one page
  void remove_pages(uint64_t first, uint64_t last) REQUIRES(pages_lock_);

  bool take_page() REQUIRES(pages_lock_);        // counts one more; false: the quota or its user's bound is reached
  void give_back_pages(uint64_t count) REQUIRES(pages_lock_);

  mutable sync::Mutex pages_lock_{"file pages"};
  vm::PageStore pages_ GUARDED_BY(pages_lock_);
  mem::Buffer<char> name_ GUARDED_BY(pages_lock_);
  std::atomic<uint64_t> size_{0};
  std::atomic<int> writable_mappings_{0};
  const Ref<PageQuota> quota_;
  const Identity identity_;
  using PagesCharge = identity::Charge<identity::Kept::FilePages>;
  PagesCharge charge_ GUARDED_BY(pages_lock_);
};

}  // namespace tine::file
