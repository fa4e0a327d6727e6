// SPDX-License-Identifier: BSD-2-Clause
// Where a process is among the names: root, working directory, umask.
#include "abi/linux/path.h"
#include "abi/linux/path_argument.h"
#include "file/attributes.h"

namespace tine::abi::linux_abi {
namespace {

CallResult enter(const NameContext& context, file::Path directory) {
  TRY(file::check_access(context.credentials(), directory, identity::kMayExecute));
  context.fs().set_working_directory(std::move(directory));
  return 0;
}

}  // namespace

CallResult sys_getcwd(const Call& call) {
  const size_t size = call.args[1];
  const Ref<file::FsContext> fs = call.process().fs();
  const file::Path directory = fs->working_directory();
  if (directory.entry()->removed()) return Error(Errno::NoEnt);
  auto room = TRY(mem::Buffer<char>::make(file::kPathMax));
  const std::string_view name = TRY(file::path_name(directory, fs->root(), room.span()));
  if (size < name.size() + 1) return Error(Errno::Range);
  TRY(vm::copy_out(call.args[0], name.data(), name.size() + 1));   // path_name ends it with a 0
  return name.size() + 1;
}

CallResult sys_chdir(const Call& call) {
  const NameContext context(call);
  return enter(context, TRY(context.place(kAtCwd, call.pointer<const char>(0), file::kFollowLast | file::kWantDirectory)));
}

CallResult sys_fchdir(const Call& call) {
  const NameContext context(call);
  const Ref<file::File> file = TRY(get_file(call, call.as_int(0)));
  if (file->inode() == nullptr || !file->inode()->is_directory()) return Error(Errno::NotDir);
  return enter(context, file->path());
}

CallResult sys_chroot(const Call& call) {
  const NameContext context(call);
  file::Path root = TRY(context.place(kAtCwd, call.pointer<const char>(0), file::kFollowLast | file::kWantDirectory));
  TRY(file::check_access(context.credentials(), root, identity::kMayExecute));
  if (!context.credentials().capable(identity::Capability::SysChroot)) return Error(Errno::Perm);
  context.fs().set_root(std::move(root));
  call.process().set(process::kChrooted);
  return 0;
}

CallResult sys_umask(const Call& call) {
  return call.process().fs()->exchange_umask(static_cast<uint16_t>(call.args[0]));
}

}  // namespace tine::abi::linux_abi
