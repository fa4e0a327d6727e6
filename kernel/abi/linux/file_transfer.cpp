// SPDX-License-Identifier: BSD-2-Clause
#include "abi/linux/file_transfer.h"

#include "file/attributes.h"
#include "process/signal.h"

namespace tine::abi::linux_abi {
namespace {

using file::File;
using file::IoBuffer;

void raise(const Call& call, int signal) {
  process::send_signal_to_thread(call.thread, process::user_signal(signal, call.process()));
}

// The part of a write that RLIMIT_FSIZE leaves. Takes the file's set-id bits away.
Result<size_t> write_within_limit(const Call& call, File& file, IoBuffer& from, uint64_t* offset) {
  file::Inode* inode = file.inode();
  if (inode != nullptr && inode->is_regular()) {
    const uint64_t limit = call.process().limit(process::Resource::FileSize);
    if (limit != process::kUnlimited) {
      const uint64_t start = file.flags() & file::kAppend ? inode->size() : *offset;
      if (from.remaining() != 0) TRY(check_file_size_limit(call, start + 1));
      from.limit(limit - start);
    }
  }
  // Before the first byte: what is being written must not run with the owner's rights.
  if (inode != nullptr && from.remaining() != 0 && inode->mode & (file::kModeSetUid | file::kModeSetGid))
    file::drop_set_id(*call.process().credentials(), *inode);
  const Result<size_t> done = file.write(from, offset);
  if (!done && done.error() == Errno::Pipe) raise(call, process::kSigPipe);
  return done;
}

}  // namespace

Result<> check_file_size_limit(const Call& call, uint64_t size) {
  if (size <= call.process().limit(process::Resource::FileSize)) return {};
  raise(call, process::kSigXfsz);
  return Error(Errno::FBig);
}

Result<size_t> read_file(File& file, IoBuffer& into) {
  if (!file.seekable()) return file.read(into, nullptr);
  sync::MutexGuard guard(file.offset_lock);
  return file.read(into, &file.offset);
}

Result<size_t> read_file_at(File& file, IoBuffer& into, uint64_t& offset) {
  if (!file.seekable()) return Error(Errno::Spipe);
  return file.read(into, &offset);
}

Result<size_t> write_file(const Call& call, File& file, IoBuffer& from) {
  if (!file.seekable()) return write_within_limit(call, file, from, nullptr);
  sync::MutexGuard guard(file.offset_lock);
  return write_within_limit(call, file, from, &file.offset);
}

Result<size_t> write_file_at(const Call& call, File& file, IoBuffer& from, uint64_t& offset) {
  if (!file.seekable()) return Error(Errno::Spipe);
  return write_within_limit(call, file, from, &offset);
}

}  // namespace tine::abi::linux_abi
