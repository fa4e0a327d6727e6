// SPDX-License-Identifier: BSD-2-Clause
// Entry: a name in a directory, and the inode that it leads to. An entry holds its parent, never the other way round:
// file systems that keep their names in memory own the entries through a NameTable, those that make names up (proc)
// make an entry for each lookup. An entry keeps its identity when it is renamed, so open files and working directories
// follow. Locks: the parent's NameTable lock and entry_lock are both held to change a name or a parent; either is enough
// to read them. entry_lock is a leaf.
#pragma once

#include <atomic>
#include <boost/intrusive/set.hpp>
#include <string_view>

#include "base/ref.h"
#include "base/result.h"
#include "file/inode.h"
#include "identity/charge.h"
#include "mem/buffer.h"
#include "mem/object_cache.h"
#include "sync/spinlock.h"

namespace tine::file {

extern sync::Spinlock entry_lock;

// A name of at most kNameMax bytes; short ones take no memory of their own.
class Name {
 public:
  Name() = default;
  static Result<Name> make(std::string_view text);   // NameTooLong, NoMem
  std::string_view view() const { return {long_.empty() ? short_ : long_.data(), size_}; }

 private:
  static constexpr size_t kShort = 39;
  uint8_t size_ = 0;
  char short_[kShort] = {};
  mem::Buffer<char> long_;
};

class Entry final : public RefCounted<Entry>, public mem::FromCache<Entry> {
 public:
  // `parent` is null for the root of a file system. The entry is in no table yet.
  static Result<Ref<Entry>> make(Ref<Entry> parent, std::string_view name, Ref<Inode> inode);
  Entry(Ref<Entry> parent, Name name, Ref<Inode> inode);
  ~Entry();

  Inode& inode() const { return *inode_; }
  Ref<Entry> parent() const;                           // null: root of its file system
  std::string_view name_locked() const { return name_.view(); }   // under one of the two locks
  Entry* parent_locked() const { return parent_.get(); }

  // No longer in the directory: unlinked, or replaced by a rename. Never becomes true again for the same entry.
  bool removed() const { return removed_.load(std::memory_order_acquire); }
  void mark_removed() { removed_.store(true, std::memory_order_release); }

  // A file system that keeps the name in memory charges for it.
  identity::Charge<identity::Kept::Names> charge;

  // How many mounts are on this entry; lookups skip the mount table when it is 0.
  std::atomic<uint32_t> mounts{0};

 private:
  friend class NameTable;
  friend struct ByName;
  friend struct ByCookie;
  Ref<Entry> parent_;
  Name name_;
  const Ref<Inode> inode_;
  std::atomic<bool> removed_{false};
  uint64_t cookie_ = 0;                                // position in the directory
  boost::intrusive::set_member_hook<> name_hook_;
  boost::intrusive::set_member_hook<> cookie_hook_;
};

// Whether `ancestor` is `entry` or above it in the same file system. Under names_lock of that file system.
bool is_ancestor(const Entry& ancestor, const Entry& entry);

}  // namespace tine::file
