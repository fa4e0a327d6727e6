// SPDX-License-Identifier: BSD-2-Clause
#include "abi/linux/exec.h"

#include "base/format.h"
#include "file/inode.h"
#include "file/open.h"
#include "process/exec.h"

namespace tine::abi::linux_abi {

using process::Process;

namespace {

constexpr int kWorkingDirectory = -100;                     // AT_FDCWD
constexpr uint32_t kNoFollow = 0x100, kEmptyPath = 0x1000;  // AT_*

CallResult start(const Call& call, Ref<file::File> program, std::string_view name, uint64_t argv,
                 uint64_t envp) {
  process::ProgramArguments arguments = TRY(process::copy_arguments(argv, envp));
  TRY(process::exec(call.thread, std::move(program), name, std::move(arguments)));
  return 0;
}

}  // namespace

CallResult sys_execve(const Call& call) {
  const vm::UserString path = TRY(vm::UserString::copy_in(call.pointer<const char>(0), file::kPathMax));
  const Process& process = call.process();
  return start(call, TRY(process::open_program(process, process.fs()->working_directory(), path.view())),
               path.view(), call.args[1], call.args[2]);
}

CallResult sys_execveat(const Call& call) {
  const int descriptor = call.as_int(0);
  const uint32_t flags = call.as_unsigned(4);
  if (flags & ~(kNoFollow | kEmptyPath)) return Error(Errno::Inval);
  const vm::UserString path = TRY(vm::UserString::copy_in(call.pointer<const char>(1), file::kPathMax));
  if (path.view().empty() && !(flags & kEmptyPath)) return Error(Errno::NoEnt);
  const Process& process = call.process();
  const file::LookupFlags how =
      (flags & kNoFollow ? 0 : file::kFollowLast) | (flags & kEmptyPath ? file::kAllowEmpty : 0);
  if (descriptor == kWorkingDirectory || path.view().starts_with('/'))
    return start(call,
                 TRY(process::open_program(process, process.fs()->working_directory(), path.view(), how)),
                 path.view(), call.args[2], call.args[3]);

  // A script that was named through a descriptor is handed to its interpreter through that descriptor.
  const Ref<file::File> base = TRY(process.descriptors()->get(descriptor));
  auto name = TRY(mem::Buffer<char>::make(path.view().size() + sizeof("/dev/fd/-2147483648/")));
  const std::string_view shown = path.view().empty()
                                     ? format(name.span(), "/dev/fd/%d", descriptor)
                                     : format(name.span(), "/dev/fd/%d/%s", descriptor, path.c_str());
  const file::Path from = TRY(file::place_of(*base));
  return start(call, TRY(process::open_program(process, from, path.view(), how)), shown, call.args[2],
               call.args[3]);
}

}  // namespace tine::abi::linux_abi
