// SPDX-License-Identifier: BSD-2-Clause
#include "file/inode.h"

#include "file/entry.h"
#include "file/file.h"
#include "file/file_system.h"
#include "file/locks.h"
#include "sched/clock.h"

namespace tine::file {

Inode::Inode(FileSystem& file_system, uint64_t number, uint32_t mode, identity::Uid uid, identity::Gid gid)
    : file_system(file_system), number(number), type(type_of(mode)), mode(mode), uid(uid), gid(gid) {
  const Nanoseconds now = sched::wall_clock();
  accessed = modified = changed = born = now;
}

Inode::~Inode() { delete_locks(locks.load(std::memory_order_relaxed)); }

identity::Ownership Inode::settled_ownership() const {
  sync::MutexGuard guard(lock);
  return ownership();
}

void Inode::touch_accessed() {
  constexpr Nanoseconds kDay = 86'400 * kSecond;
  const Nanoseconds before = accessed.load(std::memory_order_relaxed);
  if (before > modified.load(std::memory_order_relaxed) && before > changed.load(std::memory_order_relaxed)) {
    if (sched::wall_clock() - before < kDay) return;
  }
  accessed.store(sched::wall_clock(), std::memory_order_relaxed);
}

void Inode::touch_modified() {
  const Nanoseconds now = sched::wall_clock();
  modified.store(now, std::memory_order_relaxed);
  changed.store(now, std::memory_order_relaxed);
  tell_change(kInodeWritten);
}

void Inode::touch_changed() {
  changed.store(sched::wall_clock(), std::memory_order_relaxed);
  tell_change(kInodeAttributes);
}

void Inode::stat(Stat& into) const {
  into.device = file_system.device;
  into.special_device = device;
  into.inode = number;
  into.mode = mode;
  into.links = links;
  into.uid = uid;
  into.gid = gid;
  into.size = size();
  into.accessed = accessed;
  into.modified = modified;
  into.changed = changed;
  into.born = born;
}

Result<Ref<Entry>> Inode::lookup(Entry&, std::string_view) { return Error(Errno::NotDir); }
Result<Ref<Entry>> Inode::make(Entry&, std::string_view, const NewInode&) { return Error(Errno::Perm); }
Result<> Inode::link(Entry&, std::string_view, Inode&) { return Error(Errno::Perm); }
Result<> Inode::unlink(Entry&, Entry&) { return Error(Errno::Perm); }
Result<> Inode::rename(Entry&, Entry&, Entry&, std::string_view, Entry*, bool) { return Error(Errno::Perm); }
Result<Ref<Inode>> Inode::make_unnamed(const NewInode&) { return Error(Errno::OpNotSupp); }
Result<> Inode::iterate(Entry&, uint64_t, DirectorySink&) { return Error(Errno::NotDir); }
Result<std::string_view> Inode::read_link(std::span<char>) { return Error(Errno::Inval); }
Result<Path> Inode::follow() { return Path(); }
Result<Ref<File>> Inode::open(const Path&, uint32_t) { return Error(Errno::Nxio); }
Result<> Inode::truncate(uint64_t) { return Error(Errno::Inval); }
Result<Ref<vm::MemoryObject>> Inode::memory_object() { return Error(Errno::NoDev); }

Ref<Attachment> Inode::attachment() const {
  sync::SpinGuard guard(attachment_lock_);
  return attachment_;
}

Ref<Attachment> Inode::attach(Ref<Attachment> candidate) {
  sync::SpinGuard guard(attachment_lock_);
  if (attachment_ == nullptr) attachment_ = candidate;
  return attachment_;
}

}  // namespace tine::file
