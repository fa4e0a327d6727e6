// SPDX-License-Identifier: BSD-2-Clause
// MemoryObject: what can be mapped: anonymous shared memory here, files in file/. It hands out pages by
// number; who maps one privately copies it before writing. Pages never leave memory: there is no backing
// store behind an object.
// Lock: each object has its own, taken after the address space's.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/ref.h"
#include "base/result.h"
#include "machine/upcalls.h"
#include "mem/frame.h"
#include "mem/object_cache.h"
#include "sync/mutex.h"
#include "vm/page_store.h"

namespace tine::vm {

using Access = machine::upcalls::Access;

class MemoryObject : public RefCounted<MemoryObject> {
 public:
  virtual ~MemoryObject() = default;

  // The page with number `index`, with a reference for the caller; holes are filled. For Access::Write the
  // page is the object's own (never a Pinned one) and stays so, for shared mappings. Errors: Fault past
  // the end (SIGBUS), NoMem, NoSpc. May sleep.
  virtual Result<mem::Frame*> page(uint64_t index, Access access) = 0;

  // The pages from `first` on that are there, each with a reference for the caller, and null for the others.
  // Allocates nothing. For fault-around, mincore.
  virtual void resident_pages(uint64_t first, std::span<mem::Frame*> into) = 0;
  mem::Frame* resident_page(uint64_t index) {
    mem::Frame* page;
    resident_pages(index, {&page, 1});
    return page;
  }

  // The first page with a number >= `index` that is there; PageStore::kMaxPages when there is none.
  virtual uint64_t next_resident(uint64_t index) const = 0;

  virtual uint64_t size() const = 0;  // bytes

  // What /proc/PID/maps shows. device and inode are 0 for memory without a name in a file system.
  struct Identity {
    uint64_t device = 0;
    uint64_t inode = 0;
  };
  virtual Identity identity() const { return {}; }
  virtual std::string_view path(std::span<char> buffer) const;  // empty when it has none

  // The object that this one stands for: what identifies the memory.
  virtual MemoryObject& itself() { return *this; }
  // Two bits of 64, by which a search in a region map passes by what does not have the object (a Bloom filter).
  uint64_t filter_bits() const { return filter_bits_; }

  // Takes the pages [first, last), which the object has just given up, out of all mappings: ftruncate(2).
  // With Copies::Drop also what processes have copied of them; a later access faults again, and finds the
  // end. Sleeps; takes the locks of address spaces, so the caller holds no lock that is taken under these.
  // The cost is in proportion to the address spaces and to the mappings of the object in them, and nothing if the object
  // never was mapped. Lets others run, but does not break off for a signal: nobody else would finish.
  enum class Copies : uint8_t { Keep, Drop };
  void leave_mappings(uint64_t first, uint64_t last, Copies copies);
  void note_mapped() { ever_mapped_.store(true, std::memory_order_relaxed); }

  // A mapping that can write the file through kShared comes (+1) or goes (-1): for F_SEAL_WRITE.
  virtual void writable_mapping_changed(int) {}

 protected:
  MemoryObject() : filter_bits_(bits_of(this)) {}
  // For one that stands for another, whose bits these are.
  explicit MemoryObject(uint64_t filter_bits) : filter_bits_(filter_bits) {}

 private:
  static uint64_t bits_of(const void* address) {
    // Multiplicative hashing; Knuth, The Art of Computer Programming, vol. 3, 6.4.
    const uint64_t hash = reinterpret_cast<uintptr_t>(address) * 0x9e37'79b9'7f4a'7c15;
    return uint64_t{1} << (hash >> 58) | uint64_t{1} << (hash >> 52 & 63);
  }
  const uint64_t filter_bits_;
  std::atomic<bool> ever_mapped_{false};
};

// Memory of MAP_SHARED | MAP_ANONYMOUS mappings, and of whoever else shares memory without a file.
class AnonymousObject final : public MemoryObject, public mem::FromCache<AnonymousObject> {
 public:
  using mem::FromCache<AnonymousObject>::operator new;
  using mem::FromCache<AnonymousObject>::operator delete;

  explicit AnonymousObject(uint64_t pages) : pages_(pages) {}
  ~AnonymousObject() override = default;

  Result<mem::Frame*> page(uint64_t index, Access access) override;
  void resident_pages(uint64_t first, std::span<mem::Frame*> into) override;
  uint64_t next_resident(uint64_t index) const override;
  uint64_t size() const override { return pages_ * mem::kPageSize; }
  std::string_view path(std::span<char> buffer) const override;

  uint64_t resident() const;  // pages present
  // Makes `page` the one with number `index`, where there is none; takes over the caller's reference, also on
  // failure.
  Result<> adopt(uint64_t index, mem::Frame& page);

 private:
  mutable sync::Mutex lock_{"anonymous object"};
  PageStore store_ GUARDED_BY(lock_);
  const uint64_t pages_;  // mremap(2) does not make it larger
};

}  // namespace tine::vm
