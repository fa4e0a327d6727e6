// SPDX-License-Identifier: BSD-2-Clause
// mount(2) and umount2(2).
#include "abi/linux/path.h"
#include "abi/linux/path_argument.h"
#include "file/mount.h"
#include "file/mount_changes.h"
#include "file/tmpfs.h"

namespace tine::abi::linux_abi {
namespace {

using file::Mount;
using file::Path;

// MS_* of mount(2).
constexpr uint64_t kReadOnly = 1, kNoSuid = 2, kNoDev = 4, kNoExec = 8, kSynchronous = 16, kRemount = 32, kNoAtime = 1024,
                   kNoDirAtime = 2048, kBind = 4096, kMove = 8192, kUnbindable = 1 << 17, kPrivate = 1 << 18,
                   kSlave = 1 << 19, kShared = 1 << 20, kRelAtime = 1 << 21;
constexpr uint64_t kMagic = 0xc0ed'0000, kMagicMask = 0xffff'0000;
constexpr size_t kLongestType = 64;

uint32_t mount_flags_of(uint64_t flags) {
  constexpr uint64_t kSame = kReadOnly | kNoSuid | kNoDev | kNoExec | kSynchronous | kNoAtime | kNoDirAtime;
  return static_cast<uint32_t>(flags & kSame) | (flags & kRelAtime ? file::kMountRelAtime : 0);
}

// A text argument that may be absent.
Result<vm::UserString> optional_text(vm::UserPtr<const char> text, size_t limit) {
  if (!text) return vm::UserString();
  return vm::UserString::copy_in(text, limit);
}

CallResult mount_new(const Call& call, const Path& where, uint64_t flags) {
  const auto type_name = TRY(vm::UserString::copy_in(call.pointer<const char>(2), kLongestType));
  const auto source = TRY(optional_text(call.pointer<const char>(0), file::kNameMax));
  const auto options = TRY(optional_text(call.pointer<const char>(4), machine::kPageSize));
  file::FileSystemType* type = file::find_file_system(type_name.view());
  if (type == nullptr) return Error(Errno::NoDev);
  Ref<file::FileSystem> file_system = TRY(type->make(options.view()));
  Ref<file::Entry> root(&file_system->root());
  Ref<Mount> mount = TRY(Mount::make(std::move(file_system), std::move(root),
                                     source.view().empty() ? "none" : source.view(), mount_flags_of(flags)));
  TRY(file::attach(std::move(mount), where));
  return 0;
}

CallResult bind(const Call& call, const NameContext& context, const Path& where) {
  const Path source = TRY(context.place(kAtCwd, call.pointer<const char>(0), file::kFollowLast));
  Mount& from = *source.mount();
  Ref<Mount> mount = TRY(Mount::make(Ref<file::FileSystem>(&from.file_system()), Ref<file::Entry>(source.entry()),
                                     from.source(), from.flags.load()));
  TRY(file::attach(std::move(mount), where));
  return 0;
}

Result<> require_mount_root(const Path& path) {
  return path.entry() == &path.mount()->root() ? Result<>() : Error(Errno::Inval);
}

CallResult remount(const Call& call, const Path& where, uint64_t flags) {
  TRY(require_mount_root(where));
  Mount& mount = *where.mount();
  const auto options = TRY(optional_text(call.pointer<const char>(4), machine::kPageSize));
  const bool is_tmpfs = std::string_view(mount.file_system().type_name) == "tmpfs";
  if (is_tmpfs && !(flags & kBind) && !options.view().empty())
    TRY(static_cast<file::Tmpfs&>(mount.file_system()).change_options(TRY(file::Tmpfs::parse_options(options.view()))));
  mount.flags = mount_flags_of(flags);
  file::note_mount_change();
  return 0;
}

CallResult move(const Call& call, const NameContext& context, const Path& where) {
  const Path source = TRY(context.place(kAtCwd, call.pointer<const char>(0), file::kFollowLast));
  TRY(require_mount_root(source));
  TRY(file::move_mount(*source.mount(), where));
  return 0;
}

}  // namespace

CallResult sys_mount(const Call& call) {
  const NameContext context(call);
  if (!context.credentials().capable(identity::Capability::SysAdmin)) return Error(Errno::Perm);
  uint64_t flags = call.args[3];
  if ((flags & kMagicMask) == kMagic) flags &= ~kMagicMask;
  const Path where = TRY(context.place(kAtCwd, call.pointer<const char>(1), file::kFollowLast));
  if (flags & kRemount) return remount(call, where, flags);
  if (flags & kBind) return bind(call, context, where);
  // Mounts are never shared between namespaces, for there is one: they are private as they are.
  if (flags & kShared) return Error(Errno::Inval);
  if (flags & (kPrivate | kSlave | kUnbindable)) {
    TRY(require_mount_root(where));
    return 0;
  }
  if (flags & kMove) return move(call, context, where);
  return mount_new(call, where, flags);
}

CallResult sys_umount2(const Call& call) {
  constexpr uint32_t kForce = 1, kDetach = 2, kExpire = 4, kNoFollow = 8;
  const uint32_t flags = call.as_unsigned(1);
  if (flags & ~(kForce | kDetach | kNoFollow)) return Error(flags & kExpire ? Errno::OpNotSupp : Errno::Inval);
  const NameContext context(call);
  if (!context.credentials().capable(identity::Capability::SysAdmin)) return Error(Errno::Perm);
  const Path where = TRY(context.place(kAtCwd, call.pointer<const char>(0), follow_unless(flags & kNoFollow)));
  TRY(require_mount_root(where));
  constexpr uint32_t kOwnReferences = 1;   // `where`
  TRY(file::detach(*where.mount(), flags & kDetach ? file::Detach::Lazily : file::Detach::IfUnused, kOwnReferences));
  return 0;
}

}  // namespace tine::abi::linux_abi
