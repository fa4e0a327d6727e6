// SPDX-License-Identifier: BSD-2-Clause
// Sizes of files, and the calls about storage, of which memory needs none: sync, fadvise, readahead.
#include "abi/linux/file.h"
#include "abi/linux/file_transfer.h"
#include "abi/linux/path_argument.h"
#include "file/attributes.h"

namespace tine::abi::linux_abi {
namespace {

using file::File;

// fsync(2) is for what has storage behind it: files, directories and the like, not pipes and sockets.
CallResult synchronise(const Call& call) {
  const Ref<File> file = TRY(get_open_file(call, call.as_int(0)));
  if (file->inode() == nullptr || file->inode()->type == file::FileType::Fifo) return Error(Errno::Inval);
  return 0;
}

}  // namespace

CallResult sys_truncate(const Call& call) {
  const auto size = static_cast<int64_t>(call.args[1]);
  if (size < 0) return Error(Errno::Inval);
  const NameContext context(call);
  const file::Path path = TRY(context.place(kAtCwd, call.pointer<const char>(0), file::kFollowLast));
  TRY(check_file_size_limit(call, static_cast<uint64_t>(size)));
  TRY(file::truncate(context.credentials(), path, static_cast<uint64_t>(size)));
  return 0;
}

CallResult sys_ftruncate(const Call& call) {
  const auto size = static_cast<int64_t>(call.args[1]);
  if (size < 0) return Error(Errno::Inval);
  const Ref<File> file = TRY(get_open_file(call, call.as_int(0)));
  if (!file->writable()) return Error(Errno::Inval);
  TRY(check_file_size_limit(call, static_cast<uint64_t>(size)));
  if (file->inode() != nullptr) file::drop_set_id(*call.process().credentials(), *file->inode());
  TRY(file->truncate(static_cast<uint64_t>(size)));
  return 0;
}

CallResult sys_fallocate(const Call& call) {
  constexpr uint32_t kKeepSize = 1;
  const auto offset = static_cast<int64_t>(call.args[2]), length = static_cast<int64_t>(call.args[3]);
  if (offset < 0 || length <= 0) return Error(Errno::Inval);
  const Ref<File> file = TRY(get_writable(call, call.as_int(0)));
  int64_t end = 0;
  if (__builtin_add_overflow(offset, length, &end)) return Error(Errno::FBig);
  if (!(call.as_unsigned(1) & kKeepSize)) TRY(check_file_size_limit(call, static_cast<uint64_t>(end)));
  TRY(file->allocate(call.as_unsigned(1), static_cast<uint64_t>(offset), static_cast<uint64_t>(length)));
  return 0;
}

CallResult sys_fsync(const Call& call) { return synchronise(call); }
CallResult sys_fdatasync(const Call& call) { return synchronise(call); }
CallResult sys_sync(const Call&) { return 0; }
CallResult sys_syncfs(const Call& call) {
  TRY(get_open_file(call, call.as_int(0)));
  return 0;
}

CallResult sys_sync_file_range(const Call& call) {
  constexpr uint32_t kKnown = 7;
  if (call.as_unsigned(3) & ~kKnown || static_cast<int64_t>(call.args[1]) < 0 || static_cast<int64_t>(call.args[2]) < 0)
    return Error(Errno::Inval);
  const Ref<File> file = TRY(get_open_file(call, call.as_int(0)));
  if (file->inode() == nullptr || file->inode()->type == file::FileType::Fifo) return Error(Errno::Spipe);
  return 0;
}

CallResult sys_fadvise64(const Call& call) {
  constexpr unsigned kMostAdvice = 5;
  const Ref<File> file = TRY(get_open_file(call, call.as_int(0)));
  if (!file->seekable()) return Error(Errno::Spipe);
  if (static_cast<int64_t>(call.args[2]) < 0 || call.as_unsigned(3) > kMostAdvice) return Error(Errno::Inval);
  return 0;
}

CallResult sys_readahead(const Call& call) {
  const Ref<File> file = TRY(get_readable(call, call.as_int(0)));
  if (file->inode() == nullptr || !file->inode()->is_regular()) return Error(Errno::Inval);
  return 0;
}

}  // namespace tine::abi::linux_abi
