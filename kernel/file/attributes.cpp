// SPDX-License-Identifier: BSD-2-Clause
#include "file/attributes.h"

#include "sched/clock.h"

namespace tine::file {
namespace {

using identity::Capability;
using identity::Credentials;

Result<> check_writable_mount(const Path& path) {
  if (path.mount()->has(kMountReadOnly)) return Error(Errno::RoFs);
  return path.inode()->may_change_attributes();
}

// Group-executable: otherwise the bit means mandatory locking and stays.
void clear_set_id(Inode& inode) {
  uint32_t drop = kModeSetUid;
  if (inode.mode & 010) drop |= kModeSetGid;
  inode.mode.fetch_and(~drop);
}

}  // namespace

Result<> change_mode(const Credentials& credentials, const Path& path, uint32_t mode) {
  TRY(check_writable_mount(path));
  Inode& inode = *path.inode();
  sync::MutexGuard guard(inode.lock);
  if (!identity::owns(credentials, inode.uid)) return Error(Errno::Perm);
  if (inode.is_symlink()) return Error(Errno::OpNotSupp);
  mode &= kModePermissions;
  if (!credentials.in_group(inode.gid) && !credentials.capable(Capability::Fsetid)) mode &= ~kModeSetGid;
  inode.mode = (inode.mode & kModeTypeMask) | mode;
  inode.touch_changed();
  return {};
}

Result<> change_owner(const Credentials& credentials, const Path& path, std::optional<identity::Uid> uid,
                      std::optional<identity::Gid> gid) {
  TRY(check_writable_mount(path));
  Inode& inode = *path.inode();
  sync::MutexGuard guard(inode.lock);
  if (!credentials.capable(Capability::Chown)) {
    const bool is_owner = credentials.fsuid == inode.uid;
    if (uid && !(is_owner && *uid == inode.uid)) return Error(Errno::Perm);
    if (gid && !(is_owner && (*gid == inode.gid || credentials.in_group(*gid)))) return Error(Errno::Perm);
  }
  if (uid) inode.uid = *uid;
  if (gid) inode.gid = *gid;
  if (!inode.is_directory() && (uid || gid)) clear_set_id(inode);
  inode.touch_changed();
  return {};
}

Result<> change_times(const Credentials& credentials, const Path& path, NewTime accessed, NewTime modified) {
  using Kind = NewTime::Kind;
  if (accessed.kind == Kind::Omit && modified.kind == Kind::Omit) return {};
  TRY(check_writable_mount(path));
  Inode& inode = *path.inode();
  sync::MutexGuard guard(inode.lock);
  // Who may write the file may set both times to now; anything else is the owner's.
  if (!identity::owns(credentials, inode.uid)) {
    if (accessed.kind != Kind::Now || modified.kind != Kind::Now) return Error(Errno::Perm);
    if (!inode.allows(credentials, identity::kMayWrite)) return Error(Errno::Acces);
  }
  const Nanoseconds now = sched::wall_clock();
  if (accessed.kind != Kind::Omit) inode.accessed = accessed.kind == Kind::Now ? now : accessed.time;
  if (modified.kind != Kind::Omit) inode.modified = modified.kind == Kind::Now ? now : modified.time;
  inode.changed = now;
  inode.tell_change(kInodeAttributes);
  return {};
}

Result<> truncate(const Credentials& credentials, const Path& path, uint64_t size) {
  Inode& inode = *path.inode();
  if (inode.is_directory()) return Error(Errno::IsDir);
  if (!inode.is_regular()) return Error(Errno::Inval);
  if (!inode.allows(credentials, identity::kMayWrite)) return Error(Errno::Acces);
  if (path.mount()->has(kMountReadOnly)) return Error(Errno::RoFs);
  drop_set_id(credentials, inode);
  return inode.truncate(size);
}

Result<> check_access(const Credentials& credentials, const Path& path, identity::AccessMask wanted) {
  const Inode& inode = *path.inode();
  const bool is_device = inode.type == FileType::Character || inode.type == FileType::Block;
  const bool is_special = is_device || inode.type == FileType::Fifo || inode.type == FileType::Socket;
  if (wanted & identity::kMayWrite && path.mount()->has(kMountReadOnly) && !is_special) return Error(Errno::RoFs);
  if (wanted & identity::kMayExecute && inode.is_regular() && path.mount()->has(kMountNoExec)) return Error(Errno::Acces);
  if (!inode.allows(credentials, wanted)) return Error(Errno::Acces);
  return {};
}

void drop_set_id(const Credentials& credentials, Inode& inode) {
  if (!(inode.mode & (kModeSetUid | kModeSetGid)) || !inode.is_regular()) return;
  if (!credentials.capable(Capability::Fsetid)) clear_set_id(inode);
}

}  // namespace tine::file
