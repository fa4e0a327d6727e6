// SPDX-License-Identifier: BSD-2-Clause
#include "file/names.h"

#include "base/format.h"

namespace tine::file {
namespace {

using identity::Credentials;
using Last = PathWalk::Last;

// May names in `directory` be added or taken away?
Result<> check_may_change(const Credentials& credentials, const Path& directory) {
  if (directory.entry()->removed()) return Error(Errno::NoEnt);
  if (directory.mount()->has(kMountReadOnly)) return Error(Errno::RoFs);
  if (!directory.inode()->allows(credentials, identity::kMayWrite | identity::kMayExecute)) return Error(Errno::Acces);
  return {};
}

// May `victim` lose its name in `directory`? In a sticky directory only its owner and the directory's may take it.
Result<> check_may_remove(const Credentials& credentials, const Path& directory, const Inode& victim) {
  TRY(check_may_change(credentials, directory));
  const Inode& parent = *directory.inode();
  if (parent.mode & kModeSticky && credentials.fsuid != parent.uid && !identity::owns(credentials, victim.uid))
    return Error(Errno::Perm);
  return {};
}

// Owner, group and mode of something new in `directory`: setgid directories hand their group on.
NewInode owned(NewInode what, const Credentials& credentials, const Inode& directory) {
  what.uid = credentials.fsuid;
  what.gid = credentials.fsgid;
  if (directory.mode & kModeSetGid) {
    what.gid = directory.gid;
    if (type_of(what.mode) == FileType::Directory) what.mode |= kModeSetGid;
    else if (what.mode & 010 && !credentials.in_group(what.gid) && !credentials.capable(identity::Capability::Fsetid))
      what.mode &= ~kModeSetGid;
  }
  return what;
}

// What a name leads to already, or null.
Result<Ref<Entry>> find(const Path& directory, std::string_view name) {
  Result<Ref<Entry>> found = directory.inode()->lookup(*directory.entry(), name);
  if (!found && found.error() == Errno::NoEnt) return Ref<Entry>();
  return found;
}

Result<Path> make_at(const LookupContext& context, const Path& start, std::string_view path, const NewInode& what) {
  PathWalk walk(context, 0);
  TRY(walk.to_parent(start, path));
  if (walk.last() != Last::Name) return Error(Errno::Exist);
  TRY(walk.check_last());
  const Path& directory = walk.directory();
  sync::MutexGuard guard(directory.inode()->file_system.names_lock);
  if (TRY(find(directory, walk.last_name())) != nullptr) return Error(Errno::Exist);
  if (walk.trailing_slash() && type_of(what.mode) != FileType::Directory) return Error(Errno::NoEnt);
  Ref<Entry> made = TRY(make_locked(context.credentials, directory, walk.last_name(), what));
  return Path(Ref<Mount>(directory.mount()), std::move(made));
}

// A name that is to be taken away, found under names_lock.
Result<Ref<Entry>> find_victim(const LookupContext& context, const PathWalk& walk) {
  Ref<Entry> victim = TRY(find(walk.directory(), walk.last_name()));
  if (victim == nullptr) return Error(Errno::NoEnt);
  if (walk.trailing_slash() && !victim->inode().is_directory()) return Error(Errno::NotDir);
  TRY(check_may_remove(context.credentials, walk.directory(), victim->inode()));
  return victim;
}

}  // namespace

Result<Ref<Entry>> make_locked(const Credentials& credentials, const Path& directory, std::string_view name,
                               const NewInode& what) {
  TRY(check_may_change(credentials, directory));
  Inode& inode = *directory.inode();
  return inode.make(*directory.entry(), name, owned(what, credentials, inode));
}

Result<Path> make_unnamed(const Credentials& credentials, const Path& directory, uint32_t mode) {
  TRY(check_may_change(credentials, directory));
  Inode& parent = *directory.inode();
  Ref<Inode> inode = TRY(parent.make_unnamed(owned({.mode = mode_of(FileType::Regular) | mode}, credentials, parent)));
  char name[24];
  const std::string_view text = format(name, "#%llu", static_cast<unsigned long long>(inode->number));
  Ref<Entry> entry = TRY(Entry::make(nullptr, text, std::move(inode)));
  entry->mark_removed();
  return Path(Ref<Mount>(directory.mount()), std::move(entry));
}

Result<Path> make_directory(const LookupContext& context, const Path& start, std::string_view path, uint32_t mode) {
  return make_at(context, start, path, {.mode = mode_of(FileType::Directory) | (mode & (0777 | kModeSticky))});
}

Result<Path> make_node(const LookupContext& context, const Path& start, std::string_view path, uint32_t mode,
                       DeviceNumber device) {
  switch (type_of(mode)) {
    case FileType::Character:
    case FileType::Block:
      if (!context.credentials.capable(identity::Capability::Mknod)) return Error(Errno::Perm);
      break;
    case FileType::Regular:
    case FileType::Fifo:
    case FileType::Socket:
      device = 0;
      break;
    case FileType::Directory:
      return Error(Errno::Perm);
    default:
      return Error(Errno::Inval);
  }
  return make_at(context, start, path, {.mode = mode, .device = device});
}

Result<> make_symlink(const LookupContext& context, std::string_view target, const Path& start, std::string_view path) {
  if (target.empty()) return Error(Errno::NoEnt);
  TRY(make_at(context, start, path, {.mode = mode_of(FileType::Symlink) | 0777, .target = target}));
  return {};
}

Result<> make_link(const LookupContext& context, const Path& target, const Path& start, std::string_view path) {
  Inode& inode = *target.inode();
  PathWalk walk(context, 0);
  TRY(walk.to_parent(start, path));
  if (walk.last() != Last::Name) return Error(Errno::Exist);
  TRY(walk.check_last());
  const Path& directory = walk.directory();
  sync::MutexGuard guard(directory.inode()->file_system.names_lock);
  if (TRY(find(directory, walk.last_name())) != nullptr) return Error(Errno::Exist);
  if (walk.trailing_slash()) return Error(Errno::NoEnt);
  if (target.mount() != directory.mount()) return Error(Errno::Xdev);
  TRY(check_may_change(context.credentials, directory));
  if (inode.is_directory()) return Error(Errno::Perm);
  // What has lost its last name cannot come back; what never had one (O_TMPFILE) can get its first.
  if (inode.links == 0 && !inode.may_get_name) return Error(Errno::NoEnt);
  TRY(directory.inode()->link(*directory.entry(), walk.last_name(), inode));
  inode.may_get_name = false;
  inode.tell_change(kInodeLinked);
  return {};
}

Result<> unlink(const LookupContext& context, const Path& start, std::string_view path) {
  PathWalk walk(context, 0);
  TRY(walk.to_parent(start, path));
  if (walk.last() != Last::Name) return Error(Errno::IsDir);
  TRY(walk.check_last());
  Ref<Entry> victim;   // let go after the lock: its inode may be large
  const Path& directory = walk.directory();
  sync::MutexGuard guard(directory.inode()->file_system.names_lock);
  victim = TRY(find_victim(context, walk));
  if (victim->inode().is_directory()) return Error(Errno::IsDir);
  if (is_mount_point(*victim)) return Error(Errno::Busy);
  TRY(directory.inode()->unlink(*directory.entry(), *victim));
  victim->inode().tell_change(kInodeDeleted);
  return {};
}

Result<> remove_directory(const LookupContext& context, const Path& start, std::string_view path) {
  PathWalk walk(context, 0);
  TRY(walk.to_parent(start, path));
  switch (walk.last()) {
    case Last::Root: return Error(Errno::Busy);
    case Last::Dot: return Error(Errno::Inval);
    case Last::DotDot: return Error(Errno::NotEmpty);
    case Last::Name: break;
  }
  TRY(walk.check_last());
  Ref<Entry> victim;
  const Path& directory = walk.directory();
  sync::MutexGuard guard(directory.inode()->file_system.names_lock);
  victim = TRY(find_victim(context, walk));
  if (!victim->inode().is_directory()) return Error(Errno::NotDir);
  if (is_mount_point(*victim)) return Error(Errno::Busy);
  TRY(directory.inode()->unlink(*directory.entry(), *victim));
  victim->inode().tell_change(kInodeDeleted);
  return {};
}

Result<> rename(const LookupContext& context, const Path& old_start, std::string_view old_path, const Path& new_start,
                std::string_view new_path, RenameMode mode) {
  PathWalk from(context, 0);
  PathWalk to(context, 0);
  TRY(from.to_parent(old_start, old_path));
  TRY(to.to_parent(new_start, new_path));
  const Path& source = from.directory();
  const Path& target = to.directory();
  if (source.mount() != target.mount()) return Error(Errno::Xdev);
  if (from.last() != Last::Name) return Error(Errno::Busy);
  if (to.last() != Last::Name) return Error(mode == RenameMode::NoReplace ? Errno::Exist : Errno::Busy);
  TRY(from.check_last());
  TRY(to.check_last());

  const Credentials& credentials = context.credentials;
  Ref<Entry> moved;
  Ref<Entry> replaced;
  sync::MutexGuard guard(source.inode()->file_system.names_lock);
  moved = TRY(find(source, from.last_name()));
  if (moved == nullptr) return Error(Errno::NoEnt);
  replaced = TRY(find(target, to.last_name()));
  if (replaced != nullptr && mode == RenameMode::NoReplace) return Error(Errno::Exist);
  if (replaced == nullptr && mode == RenameMode::Exchange) return Error(Errno::NoEnt);

  const bool moves_directory = moved->inode().is_directory();
  const bool replaces_directory = replaced != nullptr && replaced->inode().is_directory();
  if (!moves_directory && (from.trailing_slash() || (to.trailing_slash() && mode != RenameMode::Exchange)))
    return Error(Errno::NotDir);
  if (mode == RenameMode::Exchange && to.trailing_slash() && !replaces_directory) return Error(Errno::NotDir);
  if (moves_directory && is_ancestor(*moved, *target.entry())) return Error(Errno::Inval);
  if (replaces_directory && is_ancestor(*replaced, *source.entry()))
    return Error(mode == RenameMode::Exchange ? Errno::Inval : Errno::NotEmpty);
  if (replaced == moved) return {};
  if (replaced != nullptr && &replaced->inode() == &moved->inode()) return {};   // two names of one file: both stay

  TRY(check_may_remove(credentials, source, moved->inode()));
  if (replaced != nullptr) TRY(check_may_remove(credentials, target, replaced->inode()));
  else TRY(check_may_change(credentials, target));
  if (mode != RenameMode::Exchange && replaced != nullptr) {
    if (moves_directory && !replaces_directory) return Error(Errno::NotDir);
    if (!moves_directory && replaces_directory) return Error(Errno::IsDir);
  }
  // ".." of a directory changes with its parent.
  if (source.entry() != target.entry()) {
    if (moves_directory && !moved->inode().allows(credentials, identity::kMayWrite)) return Error(Errno::Acces);
    if (mode == RenameMode::Exchange && replaces_directory && !replaced->inode().allows(credentials, identity::kMayWrite))
      return Error(Errno::Acces);
  }
  if (is_mount_point(*moved) || (replaced != nullptr && is_mount_point(*replaced))) return Error(Errno::Busy);
  TRY(source.inode()->rename(*source.entry(), *moved, *target.entry(), to.last_name(), replaced.get(),
                             mode == RenameMode::Exchange));
  moved->inode().tell_change(kInodeRenamed);
  if (replaced != nullptr)
    replaced->inode().tell_change(mode == RenameMode::Exchange ? kInodeRenamed : kInodeDeleted);
  return {};
}

}  // namespace tine::file
