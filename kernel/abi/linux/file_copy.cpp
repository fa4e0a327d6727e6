// SPDX-License-Identifier: BSD-2-Clause
// sendfile(2) and copy_file_range(2): through a buffer of the kernel, piece by piece.
#include <algorithm>

#include "abi/linux/file.h"
#include "abi/linux/file_transfer.h"
#include "file/inode.h"
#include "mem/buffer.h"
#include "sched/scheduler.h"

namespace tine::abi::linux_abi {
namespace {

using file::File;
using file::IoBuffer;

constexpr size_t kPiece = 64 * 1024;

// One side of a copy: at an offset of the caller's, or at the file's position.
class Side {
 public:
  Side(File& file, vm::UserPtr<int64_t> place) : file_(file), place_(place) {}
  Result<> load() {
    if (place_) {
      const int64_t given = TRY(place_.load());
      if (!file_.seekable()) return Error(Errno::Spipe);
      if (given < 0) return Error(Errno::Inval);
      offset_ = static_cast<uint64_t>(given);
    } else if (file_.seekable()) {
      sync::MutexGuard guard(file_.offset_lock);
      offset_ = file_.offset;
    }
    return {};
  }
  Result<> store() const {
    if (place_) return place_.store(static_cast<int64_t>(offset_));
    if (!file_.seekable()) return {};
    sync::MutexGuard guard(file_.offset_lock);
    file_.offset = offset_;
    return {};
  }
  uint64_t* offset() { return file_.seekable() ? &offset_ : nullptr; }

 private:
  File& file_;
  const vm::UserPtr<int64_t> place_;
  uint64_t offset_ = 0;
};

CallResult copy(const Call& call, File& from, Side& source, File& to, Side& target, size_t size) {
  auto buffer = TRY(mem::Buffer<std::byte>::make(std::min(std::max(size, size_t{1}), kPiece)));
  size_t done = 0;
  Result<> failure;
  while (done < size) {
    const uint64_t before = source.offset() != nullptr ? *source.offset() : 0;
    IoBuffer into = IoBuffer::kernel(buffer.span().first(std::min(size - done, buffer.size())));
    const Result<size_t> got = from.read(into, source.offset());
    if (!got) failure = Error(got.error());
    if (!got || *got == 0) break;
    IoBuffer piece = IoBuffer::kernel(std::span<const std::byte>(buffer.span().first(*got)));
    const Result<size_t> put = target.offset() != nullptr ? write_file_at(call, to, piece, *target.offset())
                                                          : write_file(call, to, piece);
    const size_t moved = put ? *put : 0;
    done += moved;
    if (source.offset() != nullptr) *source.offset() = before + moved;
    if (!put) failure = Error(put.error());
    if (moved < *got || sched::interrupt_pending()) break;
    sched::maybe_yield();
  }
  if (done == 0 && !failure) return Error(failure.error());
  TRY(source.store());
  TRY(target.store());
  return done;
}

bool is_regular(const File& file) { return file.inode() != nullptr && file.inode()->is_regular(); }

}  // namespace

CallResult sys_sendfile(const Call& call) {
  const Ref<File> from = TRY(get_readable(call, call.as_int(1)));
  const Ref<File> to = TRY(get_writable(call, call.as_int(0)));
  // What is read must be readable again from where the writing stopped.
  if (!from->seekable() || (from->inode() != nullptr && from->inode()->is_directory())) return Error(Errno::Inval);
  if (to->flags() & file::kAppend) return Error(Errno::Inval);
  Side source(*from, call.pointer<int64_t>(2));
  Side target(*to, nullptr);
  TRY(source.load());
  TRY(target.load());
  return copy(call, *from, source, *to, target, std::min<uint64_t>(call.args[3], kMostPerCall));
}

CallResult sys_copy_file_range(const Call& call) {
  if (call.args[5] != 0) return Error(Errno::Inval);
  const Ref<File> from = TRY(get_readable(call, call.as_int(0)));
  const Ref<File> to = TRY(get_writable(call, call.as_int(2)));
  if (to->flags() & file::kAppend) return Error(Errno::BadF);
  if (from->inode() != nullptr && from->inode()->is_directory()) return Error(Errno::IsDir);
  if (!is_regular(*from) || !is_regular(*to)) return Error(Errno::Inval);
  Side source(*from, call.pointer<int64_t>(1));
  Side target(*to, call.pointer<int64_t>(3));
  TRY(source.load());
  TRY(target.load());
  const uint64_t size = std::min<uint64_t>(call.args[4], kMostPerCall);
  const uint64_t a = *source.offset(), b = *target.offset();
  if (a + size < a || b + size < b) return Error(Errno::Overflow);
  if (from->inode() == to->inode() && a < b + size && b < a + size) return Error(Errno::Inval);
  return copy(call, *from, source, *to, target, size);
}

}  // namespace tine::abi::linux_abi
