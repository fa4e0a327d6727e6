// SPDX-License-Identifier: BSD-2-Clause
// fcntl(2) and flock(2).
#include "abi/linux/file.h"
#include "abi/linux/file_transfer.h"
#include "file/inode.h"
#include "file/locks.h"
#include "file/memory_file.h"
#include "file/pipe.h"

namespace tine::abi::linux_abi {
namespace {

using file::File;
using file::LockType;
using file::LockWait;
using file::RecordLock;

enum Command : int {
  kDuplicate = 0, kGetDescriptorFlags = 1, kSetDescriptorFlags = 2, kGetStatusFlags = 3, kSetStatusFlags = 4,
  kGetLock = 5, kSetLock = 6, kSetLockWait = 7, kGetOwner = 9, kGetSignal = 11, kGetFileLock = 36, kSetFileLock = 37,
  kSetFileLockWait = 38, kGetLease = 1025, kDuplicateCloseOnExec = 1030, kSetPipeSize = 1031, kGetPipeSize = 1032,
  kAddSeals = 1033, kGetSeals = 1034,
};

struct FileLockArgument {   // struct flock
  int16_t type, whence;
  int32_t padding;
  int64_t start, length;
  int32_t pid, padding2;
};
static_assert(sizeof(FileLockArgument) == 32);
constexpr int16_t kReadLock = 0, kWriteLock = 1, kUnlock = 2;

Result<uint64_t> base_of(File& file, int whence) {
  switch (whence) {
    case 0: return 0;
    case 1: {
      sync::MutexGuard guard(file.offset_lock);
      return file.offset;
    }
    case 2: return file.inode()->size();
    default: return Error(Errno::Inval);
  }
}

// The range that `argument` means; a negative length reaches backwards, 0 to the end of all.
Result<RecordLock> to_lock(File& file, const FileLockArgument& argument) {
  RecordLock lock;
  switch (argument.type) {
    case kReadLock: lock.type = LockType::Read; break;
    case kWriteLock: lock.type = LockType::Write; break;
    case kUnlock: lock.type = LockType::Unlock; break;
    default: return Error(Errno::Inval);
  }
  int64_t first = 0, last = 0;
  const auto base = static_cast<int64_t>(TRY(base_of(file, argument.whence)));
  if (__builtin_add_overflow(base, argument.start, &first)) return Error(Errno::Overflow);
  if (first < 0) return Error(Errno::Inval);
  if (argument.length < 0) {
    last = first - 1;
    first += argument.length;
  } else if (argument.length > 0) {
    if (__builtin_add_overflow(first, argument.length - 1, &last)) return Error(Errno::Overflow);
  }
  if (first < 0) return Error(Errno::Inval);
  lock.first = static_cast<uint64_t>(first);
  if (argument.length != 0) lock.last = static_cast<uint64_t>(last);
  return lock;
}

void from_lock(const RecordLock& lock, FileLockArgument& argument) {
  argument.type = lock.type == LockType::Write ? kWriteLock : kReadLock;
  argument.whence = 0;
  argument.start = static_cast<int64_t>(lock.first);
  argument.length = lock.last == ~uint64_t{0} ? 0 : static_cast<int64_t>(lock.last - lock.first + 1);
  argument.pid = lock.pid;
}

CallResult record_lock(const Call& call, const Ref<File>& file, int command) {
  const auto place = call.pointer<FileLockArgument>(2);
  FileLockArgument argument = TRY(place.load());
  if (file->inode() == nullptr) return Error(Errno::BadF);
  const bool by_file = command >= kGetFileLock;
  if (by_file && argument.pid != 0) return Error(Errno::Inval);
  RecordLock lock = TRY(to_lock(*file, argument));
  lock.pid = by_file ? -1 : call.process().pid();
  const Ref<file::DescriptorTable> table = call.process().descriptors();
  file::LockOwner& owner = by_file ? static_cast<file::LockOwner&>(*file) : *table;

  if (command == kGetLock || command == kGetFileLock) {
    if (lock.type == LockType::Unlock) return Error(Errno::Inval);
    if (const auto conflict = file::find_conflict(*file->inode(), owner, lock)) from_lock(*conflict, argument);
    else argument.type = kUnlock;
    TRY(place.store(argument));
    return 0;
  }
  if (lock.type == LockType::Read && !file->readable()) return Error(Errno::BadF);
  if (lock.type == LockType::Write && !file->writable()) return Error(Errno::BadF);
  const LockWait wait = command == kSetLockWait || command == kSetFileLockWait ? LockWait::Yes : LockWait::Never;
  TRY(file::set_record_lock(*file->inode(), owner, lock, wait));
  // Another thread may have closed the descriptor meanwhile; then its close has not seen this lock.
  const Result<Ref<File>> still = table->get(call.as_int(0));
  if (!by_file && (!still || *still != file)) {
    file::release_locks(*file->inode(), owner);
    return Error(Errno::BadF);
  }
  return 0;
}

CallResult duplicate(const Call& call, Ref<File> file, bool close_on_exec) {
  const unsigned limit = descriptor_limit(call);
  if (call.args[2] >= limit) return Error(Errno::Inval);
  return static_cast<uint64_t>(TRY(call.process().descriptors()->install(std::move(file), close_on_exec, limit,
                                                                         static_cast<int>(call.args[2]))));
}

CallResult set_pipe_size(const Call& call, File& file) {
  auto* pipe = file::file_cast<file::PipeFile>(file);
  if (pipe == nullptr) return Error(Errno::BadF);
  return pipe->pipe().set_capacity(call.as_unsigned(2));
}

}  // namespace

CallResult sys_fcntl(const Call& call) {
  constexpr uint64_t kCloseOnExecFlag = 1;   // FD_CLOEXEC
  const int descriptor = call.as_int(0), command = call.as_int(1);
  Ref<File> file = TRY(get_file(call, descriptor));
  const Ref<file::DescriptorTable> table = call.process().descriptors();
  switch (command) {
    case kDuplicate: return duplicate(call, std::move(file), false);
    case kDuplicateCloseOnExec: return duplicate(call, std::move(file), true);
    case kGetDescriptorFlags: return table->close_on_exec(descriptor) ? kCloseOnExecFlag : 0;
    case kSetDescriptorFlags:
      TRY(mark_close_on_exec(call, descriptor, call.args[2] & kCloseOnExecFlag));
      return 0;
    case kGetStatusFlags: return file->flags();
    default: break;
  }
  if (file->flags() & file::kPathOnly) return Error(Errno::BadF);
  switch (command) {
    case kSetStatusFlags: {
      const uint32_t flags = call.as_unsigned(2);
      if (flags & file::kNoAtime && !(file->flags() & file::kNoAtime) && file->inode() != nullptr &&
          !identity::owns(*call.process().credentials(), file->inode()->uid))
        return Error(Errno::Perm);
      file->set_status_flags(flags);
      return 0;
    }
    case kGetLock: case kSetLock: case kSetLockWait:
    case kGetFileLock: case kSetFileLock: case kSetFileLockWait:
      return record_lock(call, file, command);
    case kGetOwner: case kGetSignal: return 0;     // nobody: signal-driven I/O cannot be asked for
    case kGetLease: return kUnlock;                // there are no leases
    case kSetPipeSize: return set_pipe_size(call, *file);
    case kGetPipeSize: {
      auto* pipe = file::file_cast<file::PipeFile>(*file);
      if (pipe == nullptr) return Error(Errno::BadF);
      return pipe->pipe().capacity();
    }
    case kAddSeals:
      TRY(file::add_seals(*file, call.as_unsigned(2)));
      return 0;
    case kGetSeals: return TRY(file::get_seals(*file));
    default: return Error(Errno::Inval);
  }
}

CallResult sys_flock(const Call& call) {
  constexpr uint32_t kShared = 1, kExclusive = 2, kNoWait = 4, kRelease = 8;
  const Ref<File> file = TRY(get_open_file(call, call.as_int(0)));
  const uint32_t operation = call.as_unsigned(1);
  LockType type = LockType::Unlock;
  switch (operation & ~kNoWait) {
    case kShared: type = LockType::Read; break;
    case kExclusive: type = LockType::Write; break;
    case kRelease: break;
    default: return Error(Errno::Inval);
  }
  if (file->inode() == nullptr) return Error(Errno::BadF);
  TRY(file::set_file_lock(*file->inode(), *file, type, operation & kNoWait ? LockWait::Never : LockWait::Yes));
  return 0;
}

}  // namespace tine::abi::linux_abi
