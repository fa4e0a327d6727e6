// SPDX-License-Identifier: BSD-2-Clause
// PageStore: the pages of a memory object by number, in a 64-way radix tree whose height grows with the
// highest number. A store of one page has no node at all. Owns one reference on each page.
// Pages of the initrd come as Pinned frames: they can be read and mapped read-only as they are, and are
// replaced by a copy before the first write.
// The owner serialises the calls (an inode's or object's lock).
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "mem/frame.h"

namespace tine::vm {

class PageStore {
 public:
  static constexpr uint64_t kMaxPages = uint64_t{1} << 42;  // 2^54 bytes: no file is larger

  PageStore() = default;
  ~PageStore() { truncate(0); }
  PageStore(const PageStore&) = delete;
  PageStore& operator=(const PageStore&) = delete;

  // The page, or null for a hole. The reference stays the store's.
  mem::Frame* get(uint64_t index) const;
  // The pages from `first` on, each with a reference for the caller; null for holes.
  void get_range(uint64_t first, std::span<mem::Frame*> into) const;
  // The page; a hole is filled with zeros. Not for writing. Errors: NoMem, FBig.
  Result<mem::Frame*> get_or_make(uint64_t index);
  // The same for writing: never Pinned.
  Result<mem::Frame*> get_writable(uint64_t index);
  // Fills a hole. Takes over the caller's reference, also on failure. Errors: NoMem, FBig.
  Result<> put(uint64_t index, mem::Frame& page);
  // Drops the pages with numbers >= `pages`; the bytes after the end in the last page are the owner's affair.
  void truncate(uint64_t pages) { remove(pages, kMaxPages); }
  // Makes a hole of the pages [first, last).
  void remove(uint64_t first, uint64_t last);

  uint64_t count() const { return count_; }  // pages present
  // The first present page with a number >= `index`; kMaxPages when there is none. For SEEK_DATA.
  uint64_t next_present(uint64_t index) const;

 private:
  struct Node;
  Result<mem::Frame**> slot_for(uint64_t index);
  void remove_in(void*& slot, unsigned level, uint64_t base, uint64_t first, uint64_t last);
  static uint64_t next_in(const void* slot, unsigned level, uint64_t base, uint64_t from);

  // A Frame* when height_ is 0, else a Node* of that height; null when empty.
  void* root_ = nullptr;
  unsigned height_ = 0;
  uint64_t count_ = 0;
};

}  // namespace tine::vm
