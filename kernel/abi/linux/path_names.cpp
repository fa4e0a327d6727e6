// SPDX-License-Identifier: BSD-2-Clause
// Making, moving and taking away names; reading symbolic links.
#include "abi/linux/path.h"
#include "abi/linux/path_argument.h"
#include "file/names.h"

namespace tine::abi::linux_abi {
namespace {

using UserText = vm::UserPtr<const char>;

CallResult make_directory(const Call& call, int directory, UserText path, uint32_t mode) {
  const NameContext context(call);
  const auto name = TRY(StartedPath::copy_in(context, directory, path));
  TRY(file::make_directory(context.lookup(), name.start, name.view(), context.without_umask(mode)));
  return 0;
}

CallResult make_node(const Call& call, int directory, UserText path, uint32_t mode, uint64_t device) {
  const NameContext context(call);
  if ((mode & file::kModeTypeMask) == 0) mode |= file::mode_of(file::FileType::Regular);
  const auto name = TRY(StartedPath::copy_in(context, directory, path));
  TRY(file::make_node(context.lookup(), name.start, name.view(), context.without_umask(mode & 0177777),
                      static_cast<uint32_t>(device)));
  return 0;
}

CallResult make_symlink(const Call& call, UserText target, int directory, UserText path) {
  const NameContext context(call);
  const auto text = TRY(vm::UserString::copy_in(target, file::kPathMax));
  const auto name = TRY(StartedPath::copy_in(context, directory, path));
  TRY(file::make_symlink(context.lookup(), text.view(), name.start, name.view()));
  return 0;
}

CallResult make_link(const Call& call, int old_directory, UserText old_path, int directory, UserText path, uint32_t flags) {
  if (flags & ~(kAtSymlinkFollow | kAtEmptyPath)) return Error(Errno::Inval);
  const NameContext context(call);
  if (flags & kAtEmptyPath && !context.credentials().capable(identity::Capability::DacReadSearch))
    return Error(Errno::NoEnt);
  const file::Path target =
      TRY(context.place(old_directory, old_path, follow_unless(!(flags & kAtSymlinkFollow)), flags));
  const auto name = TRY(StartedPath::copy_in(context, directory, path));
  TRY(file::make_link(context.lookup(), target, name.start, name.view()));
  return 0;
}

CallResult remove(const Call& call, int directory, UserText path, bool is_directory) {
  const NameContext context(call);
  const auto name = TRY(StartedPath::copy_in(context, directory, path));
  TRY(is_directory ? file::remove_directory(context.lookup(), name.start, name.view())
                   : file::unlink(context.lookup(), name.start, name.view()));
  return 0;
}

CallResult rename(const Call& call, int old_directory, UserText old_path, int new_directory, UserText new_path, uint32_t flags) {
  constexpr uint32_t kNoReplace = 1, kExchange = 2;
  if (flags & ~(kNoReplace | kExchange) || flags == (kNoReplace | kExchange)) return Error(Errno::Inval);
  const auto mode = flags == kNoReplace ? file::RenameMode::NoReplace
                    : flags == kExchange ? file::RenameMode::Exchange
                                         : file::RenameMode::Replace;
  const NameContext context(call);
  const auto from = TRY(StartedPath::copy_in(context, old_directory, old_path));
  const auto to = TRY(StartedPath::copy_in(context, new_directory, new_path));
  TRY(file::rename(context.lookup(), from.start, from.view(), to.start, to.view(), mode));
  return 0;
}

CallResult read_link(const Call& call, int directory, UserText path, uintptr_t into, int size) {
  if (size <= 0) return Error(Errno::Inval);
  const NameContext context(call);
  const auto text = TRY(vm::UserString::copy_in(path, file::kPathMax));
  // "" is the symbolic link that the descriptor was opened on with O_PATH.
  const file::Path link = text.view().empty() && directory != kAtCwd
                              ? TRY(context.own_place(directory))
                              : TRY(file::lookup(context.lookup(), TRY(context.start(directory, text.view())), text.view(), 0));
  if (!link.inode()->is_symlink()) return Error(text.view().empty() ? Errno::NoEnt : Errno::Inval);
  auto room = TRY(mem::Buffer<char>::make(file::kPathMax));
  const std::string_view target = TRY(link.inode()->read_link(room.span()));
  const size_t length = std::min(target.size(), static_cast<size_t>(size));
  TRY(vm::copy_out(into, target.data(), length));
  link.inode()->touch_accessed();
  return length;
}

}  // namespace

CallResult sys_mkdir(const Call& call) {
  return make_directory(call, kAtCwd, call.pointer<const char>(0), call.as_unsigned(1));
}
CallResult sys_mkdirat(const Call& call) {
  return make_directory(call, call.as_int(0), call.pointer<const char>(1), call.as_unsigned(2));
}
CallResult sys_mknod(const Call& call) {
  return make_node(call, kAtCwd, call.pointer<const char>(0), call.as_unsigned(1), call.args[2]);
}
CallResult sys_mknodat(const Call& call) {
  return make_node(call, call.as_int(0), call.pointer<const char>(1), call.as_unsigned(2), call.args[3]);
}
CallResult sys_symlink(const Call& call) {
  return make_symlink(call, call.pointer<const char>(0), kAtCwd, call.pointer<const char>(1));
}
CallResult sys_symlinkat(const Call& call) {
  return make_symlink(call, call.pointer<const char>(0), call.as_int(1), call.pointer<const char>(2));
}
CallResult sys_link(const Call& call) {
  return make_link(call, kAtCwd, call.pointer<const char>(0), kAtCwd, call.pointer<const char>(1), 0);
}
CallResult sys_linkat(const Call& call) {
  return make_link(call, call.as_int(0), call.pointer<const char>(1), call.as_int(2), call.pointer<const char>(3),
                   call.as_unsigned(4));
}
CallResult sys_unlink(const Call& call) { return remove(call, kAtCwd, call.pointer<const char>(0), false); }
CallResult sys_rmdir(const Call& call) { return remove(call, kAtCwd, call.pointer<const char>(0), true); }
CallResult sys_unlinkat(const Call& call) {
  const uint32_t flags = call.as_unsigned(2);
  if (flags & ~kAtRemoveDir) return Error(Errno::Inval);
  return remove(call, call.as_int(0), call.pointer<const char>(1), flags & kAtRemoveDir);
}
CallResult sys_rename(const Call& call) {
  return rename(call, kAtCwd, call.pointer<const char>(0), kAtCwd, call.pointer<const char>(1), 0);
}
CallResult sys_renameat(const Call& call) {
  return rename(call, call.as_int(0), call.pointer<const char>(1), call.as_int(2), call.pointer<const char>(3), 0);
}
CallResult sys_renameat2(const Call& call) {
  return rename(call, call.as_int(0), call.pointer<const char>(1), call.as_int(2), call.pointer<const char>(3),
                call.as_unsigned(4));
}
CallResult sys_readlink(const Call& call) {
  return read_link(call, kAtCwd, call.pointer<const char>(0), call.args[1], call.as_int(2));
}
CallResult sys_readlinkat(const Call& call) {
  return read_link(call, call.as_int(0), call.pointer<const char>(1), call.args[2], call.as_int(3));
}

}  // namespace tine::abi::linux_abi
