// SPDX-License-Identifier: BSD-2-Clause
// Moving bytes between programs and files: what read, write and their relatives share.
#pragma once

#include "abi/linux/descriptors.h"
#include "abi/linux/syscall.h"
#include "file/file.h"
#include "file/io_buffer.h"

namespace tine::abi::linux_abi {

// The most bytes that one call moves (MAX_RW_COUNT).
inline constexpr size_t kMostPerCall = 0x7fff'f000;

// A file that is open for more than its place (O_PATH). BadF.
inline Result<Ref<file::File>> get_open_file(const Call& call, int descriptor) {
  Ref<file::File> file = TRY(get_file(call, descriptor));
  if (file->flags() & file::kPathOnly) return Error(Errno::BadF);
  return file;
}
inline Result<Ref<file::File>> get_readable(const Call& call, int descriptor) {
  Ref<file::File> file = TRY(get_file(call, descriptor));
  if (!file->readable()) return Error(Errno::BadF);
  return file;
}
inline Result<Ref<file::File>> get_writable(const Call& call, int descriptor) {
  Ref<file::File> file = TRY(get_file(call, descriptor));
  if (!file->writable()) return Error(Errno::BadF);
  return file;
}

// At the file's own position, which moves on; or at `*offset`, for files that can seek (Spipe).
Result<size_t> read_file(file::File& file, file::IoBuffer& into);
Result<size_t> read_file_at(file::File& file, file::IoBuffer& into, uint64_t& offset);
// The same for writing. Raises SIGPIPE and SIGXFSZ in the caller, drops set-id bits.
Result<size_t> write_file(const Call& call, file::File& file, file::IoBuffer& from);
Result<size_t> write_file_at(const Call& call, file::File& file, file::IoBuffer& from, uint64_t& offset);

// FBig, with SIGXFSZ, when a file may not grow to `size` (RLIMIT_FSIZE).
Result<> check_file_size_limit(const Call& call, uint64_t size);

}  // namespace tine::abi::linux_abi
