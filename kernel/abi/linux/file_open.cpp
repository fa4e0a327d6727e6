// SPDX-License-Identifier: BSD-2-Clause
// open(2) and what else makes descriptors: creat, openat2, memfd_create, pipe.
#include "abi/linux/descriptors.h"
#include "abi/linux/file.h"
#include "abi/linux/path_argument.h"
#include "file/memory_file.h"
#include "file/pipe.h"

namespace tine::abi::linux_abi {
namespace {

using file::File;

constexpr uint32_t kKnownFlags = file::kOpenAccessMask | file::kCreate | file::kExclusive | file::kNoCtty | file::kTruncate |
                                 file::kAppend | file::kNonBlock | file::kSync | file::kAsync | file::kDirect |
                                 file::kLargeFile | file::kDirectory | file::kNoFollow | file::kNoAtime |
                                 file::kCloseOnExec | file::kPathOnly | file::kTmpFile;
constexpr uint32_t kPathFlags = file::kPathOnly | file::kDirectory | file::kNoFollow | file::kCloseOnExec;

CallResult open_at(const Call& call, int directory, vm::UserPtr<const char> path, uint32_t flags, uint32_t mode,
                   file::LookupFlags resolve) {
  if (flags & file::kPathOnly) flags &= kPathFlags;
  const bool makes_unnamed = (flags & file::kTmpFile) == file::kTmpFile;
  if (makes_unnamed && ((flags & file::kOpenAccessMask) == file::kReadOnly || flags & file::kCreate))
    return Error(Errno::Inval);
  if (!makes_unnamed && flags & file::kTmpFile & ~file::kDirectory) return Error(Errno::Inval);
  if (flags & file::kCreate && flags & file::kDirectory) return Error(Errno::Inval);

  const NameContext context(call);
  const auto name = TRY(StartedPath::copy_in(context, directory, path));
  const file::OpenRequest request{.flags = flags & file::kPathOnly ? flags : flags | file::kLargeFile,
                                  .mode = context.without_umask(mode & file::kModePermissions),
                                  .resolve = resolve};
  TRY(check_descriptor_left(call));
  Ref<File> file = TRY(file::open(context.lookup(), name.start, name.view(), request));
  return install_file(call, std::move(file), flags & file::kCloseOnExec);
}

struct OpenHow {   // struct open_how
  uint64_t flags, mode, resolve;
};
constexpr uint64_t kResolveNoCrossMounts = 1, kResolveNoMagicLinks = 2, kResolveNoSymlinks = 4, kResolveBeneath = 8,
                   kResolveInRoot = 16;

Result<file::LookupFlags> lookup_flags_of(uint64_t resolve) {
  file::LookupFlags flags = 0;
  if (resolve & ~uint64_t{31}) return Error(Errno::Inval);
  if (resolve & kResolveNoCrossMounts) flags |= file::kNoCrossMounts;
  if (resolve & kResolveNoMagicLinks) flags |= file::kNoMagicLinks;
  if (resolve & kResolveNoSymlinks) flags |= file::kNoSymlinks;
  if (resolve & kResolveBeneath) flags |= file::kBeneath;
  if (resolve & kResolveInRoot) flags |= file::kInRoot;
  if ((resolve & (kResolveBeneath | kResolveInRoot)) == (kResolveBeneath | kResolveInRoot)) return Error(Errno::Inval);
  return flags;
}

CallResult pipe(const Call& call, uint32_t flags) {
  if (flags & ~(file::kCloseOnExec | file::kNonBlock)) return Error(Errno::Inval);
  TRY(file::File::check_room());
  file::PipeEnds ends = TRY(file::make_pipe(flags & file::kNonBlock, *call.process().credentials()));
  const Ref<file::DescriptorTable> table = call.process().descriptors();
  const bool close_on_exec = flags & file::kCloseOnExec;
  const unsigned limit = descriptor_limit(call);
  int numbers[2];
  numbers[0] = TRY(table->install(std::move(ends.reader), close_on_exec, limit));
  const Result<int> second = table->install(std::move(ends.writer), close_on_exec, limit);
  numbers[1] = second.value_or(-1);
  Result<> stored = second ? vm::copy_out(call.args[0], numbers, sizeof(numbers)) : Error(second.error());
  if (stored) return 0;
  static_cast<void>(close_descriptor(call, *table, numbers[0]));
  if (second) static_cast<void>(close_descriptor(call, *table, numbers[1]));
  return Error(stored.error());
}

}  // namespace

CallResult sys_open(const Call& call) {
  return open_at(call, kAtCwd, call.pointer<const char>(0), call.as_unsigned(1) & kKnownFlags, call.as_unsigned(2), 0);
}

CallResult sys_creat(const Call& call) {
  return open_at(call, kAtCwd, call.pointer<const char>(0), file::kCreate | file::kWriteOnly | file::kTruncate,
                 call.as_unsigned(1), 0);
}

CallResult sys_openat(const Call& call) {
  return open_at(call, call.as_int(0), call.pointer<const char>(1), call.as_unsigned(2) & kKnownFlags,
                 call.as_unsigned(3), 0);
}

CallResult sys_openat2(const Call& call) {
  const uint64_t size = call.args[3];
  if (size < sizeof(OpenHow)) return Error(Errno::Inval);
  if (size > machine::kPageSize) return Error(Errno::TooBig);
  OpenHow how;
  TRY(vm::copy_in(&how, call.args[2], sizeof(how)));
  // A longer structure of a newer program is fine while what we do not know is 0.
  for (uint64_t at = sizeof(how); at < size; at++)
    if (TRY(vm::UserPtr<const uint8_t>(call.args[2] + at).load()) != 0) return Error(Errno::TooBig);
  if (how.flags & ~uint64_t{kKnownFlags} || how.mode & ~uint64_t{file::kModePermissions}) return Error(Errno::Inval);
  const auto flags = static_cast<uint32_t>(how.flags);
  const bool creates = flags & file::kCreate || (flags & file::kTmpFile) == file::kTmpFile;
  if (how.mode != 0 && !creates) return Error(Errno::Inval);
  if (flags & file::kPathOnly && flags & ~kPathFlags) return Error(Errno::Inval);
  return open_at(call, call.as_int(0), call.pointer<const char>(1), flags, static_cast<uint32_t>(how.mode),
                 TRY(lookup_flags_of(how.resolve)));
}

CallResult sys_memfd_create(const Call& call) {
  constexpr uint32_t kCloseOnExecFlag = 1, kAllowSealing = 2, kNoExecSeal = 8, kExec = 16;
  constexpr size_t kNameRoom = 250;
  const uint32_t flags = call.as_unsigned(1);
  if (flags & ~(kCloseOnExecFlag | kAllowSealing | kNoExecSeal | kExec)) return Error(Errno::Inval);
  auto name = vm::UserString::copy_in(call.pointer<const char>(0), kNameRoom);
  if (!name) return Error(name.error() == Errno::NameTooLong ? Errno::Inval : name.error());
  const auto sealing = flags & (kAllowSealing | kNoExecSeal) ? file::Sealing::Allowed : file::Sealing::Forbidden;
  TRY(file::File::check_room());
  Ref<File> file = TRY(file::make_memory_file(name->view(), sealing, *call.process().credentials()));
  return install_file(call, std::move(file), flags & kCloseOnExecFlag);
}

CallResult sys_pipe(const Call& call) { return pipe(call, 0); }
CallResult sys_pipe2(const Call& call) { return pipe(call, call.as_unsigned(1)); }

}  // namespace tine::abi::linux_abi
