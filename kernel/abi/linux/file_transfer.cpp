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

// The part of a write that RLIMIT_FSIZE leaves.
Result<size_t> write_within_limit(const Call& call, File& file, IoBuffer& from, uint64_t* offset) {
  const file::Inode* inode = file.inode();
  if (inode != nullptr && inode->is_regular()) {
    const uint64_t limit = call.process().limit(process::Resource::FileSize);
    if (limit != process::kUnlimited) {
      const uint64_t start = file.flags() & file::kAppend ? inode->size() : *offset;
      if (from.remaining() != 0) TRY(check_file_size_limit(call, start + 1));
      from.limit(limit - start);
    }
  }
  const Result<size_t> done = file.write(from, offset);
  if (!done && done.error() == Errno::Pipe) raise(call, process::kSigPipe);
  return done;
}

void after_write(const Call& call, File& file, const Result<size_t>& done) {
  file::Inode* inode = file.inode();
  if (!done || *done == 0 || inode == nullptr) return;
  if (inode->mode.load(std::memory_order_relaxed) & (file::kModeSetUid | file::kModeSetGid))
    file::drop_set_id(*call.process().credentials(), *inode);
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
  Result<size_t> done;
  if (file.seekable()) {
    sync::MutexGuard guard(file.offset_lock);
    done = write_within_limit(call, file, from, &file.offset);
  } else {
    done = write_within_limit(call, file, from, nullptr);
  }
  after_write(call, file, done);
  return done;
}

Result<size_t> write_file_at(const Call& call, File& file, IoBuffer& from, uint64_t& offset) {
  if (!file.seekable()) return Error(Errno::Spipe);
  const Result<size_t> done = write_within_limit(call, file, from, &offset);
  after_write(call, file, done);
  return done;
}

}  // namespace tine::abi::linux_abi
