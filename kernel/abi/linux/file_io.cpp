// SPDX-License-Identifier: BSD-2-Clause
// read(2), write(2), their vector and positioned forms, lseek(2).
#include <algorithm>

#include "abi/linux/file.h"
#include "abi/linux/file_transfer.h"

namespace tine::abi::linux_abi {
namespace {

using file::File;
using file::IoBuffer;
using file::IoVector;

constexpr unsigned kMostVectors = 1024;   // UIO_MAXIOV
constexpr uint32_t kHighPriority = 1, kDataSync = 2, kSync = 4;   // RWF_*: all that memory can promise anyway
constexpr uint32_t kNothingToDo = kHighPriority | kDataSync | kSync;

Result<IoBuffer> one_range(const Call& call) {
  const size_t size = std::min<uint64_t>(call.args[2], kMostPerCall);
  if (!vm::is_user_range(call.args[1], size)) return Error(Errno::Fault);
  return IoBuffer::user(call.args[1], size);
}

Result<uint64_t> offset_argument(uint64_t argument) {
  if (static_cast<int64_t>(argument) < 0) return Error(Errno::Inval);
  return argument;
}

// A vector of ranges from user memory, with room for a few before memory must be allocated.
class Vectors {
 public:
  Result<> load(uintptr_t address, uint64_t count) {
    if (count > kMostVectors) return Error(Errno::Inval);
    IoVector* into = few_;
    if (count > kFew) {
      many_ = TRY(mem::Buffer<IoVector>::make(count));
      into = many_.data();
    }
    vectors_ = {into, static_cast<size_t>(count)};
    TRY(vm::copy_in(into, address, count * sizeof(IoVector)));
    size_t total = 0;
    for (IoVector& vector : vectors_) {
      if (static_cast<int64_t>(vector.length) < 0) return Error(Errno::Inval);
      if (!vm::is_user_range(vector.base, vector.length)) return Error(Errno::Fault);
      vector.length = std::min(vector.length, kMostPerCall - total);
      total += vector.length;
    }
    return {};
  }
  IoBuffer buffer() const { return IoBuffer::vector(vectors_); }

 private:
  static constexpr size_t kFew = 8;
  IoVector few_[kFew];
  mem::Buffer<IoVector> many_;
  std::span<IoVector> vectors_;
};

CallResult read_vectors(const Call& call, uint64_t offset, bool at_offset) {
  const Ref<File> file = TRY(get_readable(call, call.as_int(0)));
  Vectors vectors;
  TRY(vectors.load(call.args[1], call.args[2]));
  IoBuffer into = vectors.buffer();
  return at_offset ? read_file_at(*file, into, offset) : read_file(*file, into);
}

CallResult write_vectors(const Call& call, uint64_t offset, bool at_offset) {
  const Ref<File> file = TRY(get_writable(call, call.as_int(0)));
  Vectors vectors;
  TRY(vectors.load(call.args[1], call.args[2]));
  IoBuffer from = vectors.buffer();
  return at_offset ? write_file_at(call, *file, from, offset) : write_file(call, *file, from);
}

}  // namespace

CallResult sys_read(const Call& call) {
  const Ref<File> file = TRY(get_readable(call, call.as_int(0)));
  IoBuffer into = TRY(one_range(call));
  return read_file(*file, into);
}

CallResult sys_write(const Call& call) {
  const Ref<File> file = TRY(get_writable(call, call.as_int(0)));
  IoBuffer from = TRY(one_range(call));
  return write_file(call, *file, from);
}

CallResult sys_pread64(const Call& call) {
  uint64_t offset = TRY(offset_argument(call.args[3]));
  const Ref<File> file = TRY(get_readable(call, call.as_int(0)));
  IoBuffer into = TRY(one_range(call));
  return read_file_at(*file, into, offset);
}

CallResult sys_pwrite64(const Call& call) {
  uint64_t offset = TRY(offset_argument(call.args[3]));
  const Ref<File> file = TRY(get_writable(call, call.as_int(0)));
  IoBuffer from = TRY(one_range(call));
  return write_file_at(call, *file, from, offset);
}

CallResult sys_readv(const Call& call) { return read_vectors(call, 0, false); }
CallResult sys_writev(const Call& call) { return write_vectors(call, 0, false); }
CallResult sys_preadv(const Call& call) { return read_vectors(call, TRY(offset_argument(call.args[3])), true); }
CallResult sys_pwritev(const Call& call) { return write_vectors(call, TRY(offset_argument(call.args[3])), true); }

// An offset of -1 means the file's own position.
CallResult sys_preadv2(const Call& call) {
  if (call.as_unsigned(5) & ~kNothingToDo) return Error(Errno::OpNotSupp);
  if (call.args[3] == ~uint64_t{0}) return sys_readv(call);
  return sys_preadv(call);
}
CallResult sys_pwritev2(const Call& call) {
  if (call.as_unsigned(5) & ~kNothingToDo) return Error(Errno::OpNotSupp);
  if (call.args[3] == ~uint64_t{0}) return sys_writev(call);
  return sys_pwritev(call);
}

CallResult sys_lseek(const Call& call) {
  const Ref<File> file = TRY(get_open_file(call, call.as_int(0)));
  if (call.as_unsigned(2) > 4) return Error(Errno::Inval);
  sync::MutexGuard guard(file->offset_lock);
  const uint64_t position = TRY(file->seek(static_cast<int64_t>(call.args[1]), call.as_int(2)));
  file->offset = position;
  return position;
}

}  // namespace tine::abi::linux_abi
