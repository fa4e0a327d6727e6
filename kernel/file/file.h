// SPDX-License-Identifier: BSD-2-Clause
// File: an open file description, shared by the descriptors that dup, fork and SCM_RIGHTS make. Subclasses: files of a
// file system, pipes, sockets, eventfd, epoll, pidfd, ttys. Lock: offset_lock_ (a Mutex) serialises calls that use the
// offset; each subclass documents its own.
#pragma once

#include <atomic>
#include <cstdint>

#include "base/ref.h"
#include "base/result.h"
#include "file/close_watch.h"
#include "file/io_buffer.h"
#include "file/lock_owner.h"
#include "file/path.h"
#include "file/poll.h"
#include "identity/charge.h"
#include "mem/object_cache.h"
#include "sync/mutex.h"
#include "vm/memory_object.h"

namespace tine::file {

// Status flags, Linux's O_* values.
inline constexpr uint32_t kOpenAccessMask = 3, kReadOnly = 0, kWriteOnly = 1, kReadWrite = 2, kCreate = 0100,
                          kExclusive = 0200, kNoCtty = 0400, kTruncate = 01000, kAppend = 02000, kNonBlock = 04000,
                          kDsync = 010000, kAsync = 020000, kDirect = 040000, kLargeFile = 0100000,
                          kDirectory = 0200000, kNoFollow = 0400000, kNoAtime = 01000000, kCloseOnExec = 02000000,
                          kSync = 04010000, kPathOnly = 010000000, kTmpFile = 020200000;

struct Stat;            // file/inode.h

// Takes lines of what a file tells about itself.
class DetailSink {
 public:
  [[gnu::format(printf, 2, 3)]] virtual void print(const char* format, ...) = 0;

 protected:
  ~DetailSink() = default;
};
class DirectorySink;    // file/inode.h

// As a LockOwner it has flock(2)'s and F_OFD_SETLK's locks.
class File : public RefCounted<File>, public LockOwner {
 public:
  // `path`: where it was opened; empty for pipes, sockets and the like.
  File(uint32_t flags, Path path);
  virtual ~File();
  // Subclasses derive from mem::FromCache too, so that `delete file` finds the cache.

  // The shared file position. Calls that use it hold offset_lock.
  sync::Mutex offset_lock{"file offset"};
  uint64_t offset GUARDED_BY(offset_lock) = 0;

  // Reads or writes at `*offset` and advances it. For files that cannot seek, `offset` is null. Short counts as in
  // read(2). Errors: Again when non-blocking and not ready, RestartSys on a signal, Pipe, Fault, ...
  virtual Result<size_t> read(IoBuffer& into, uint64_t* offset);
  virtual Result<size_t> write(IoBuffer& from, uint64_t* offset);
  virtual bool seekable() const { return false; }
  // The position that lseek(2) asks for; the caller holds offset_lock and sets it. Default: Spipe.
  virtual Result<uint64_t> seek(int64_t offset, int whence) REQUIRES(offset_lock);
  virtual PollEvents poll(Poller* poller);                       // default: always readable and writable
  virtual Result<uint64_t> control(uint32_t command, uint64_t argument);  // ioctl(2); default NotTty
  virtual Result<> truncate(uint64_t size);
  virtual Result<> allocate(uint32_t mode, uint64_t offset, uint64_t length);   // fallocate(2); default NoDev
  virtual Result<> read_directory(DirectorySink& sink) REQUIRES(offset_lock);   // from `offset` on; default NotDir
  virtual Result<Ref<vm::MemoryObject>> memory_object();         // for mmap; default NoDev
  // The same for MAP_SHARED, of a file that is open for writing. Perm: it is sealed against that.
  virtual Result<Ref<vm::MemoryObject>> writable_memory_object() { return memory_object(); }
  virtual Result<> stat(Stat& stat);
  virtual const char* kind() const { return "file"; }            // "pipe", "socket", ... as in /proc/PID/fd links
  virtual void status_flags_changed() {}
  // What /proc/PID/fdinfo shows of its class beside the fields that all files have; lines "NAME:\tVALUE\n". May not sleep.
  virtual void describe(DetailSink&) {}
  // Of what a poller asks for, what is ready now.
  PollEvents ready(PollEvents wanted) { return poll(nullptr) & (wanted | kPollErr | kPollHup); }
  // Which class it is, for file_cast: the address of the class's kType; null: none that anybody asks for.
  virtual const void* type() const { return nullptr; }

  uint32_t flags() const { return flags_.load(std::memory_order_relaxed); }
  void set_status_flags(uint32_t changeable);                    // F_SETFL: O_APPEND, O_NONBLOCK, O_ASYNC, O_DIRECT
  bool readable() const { return (flags() & kOpenAccessMask) != kWriteOnly && !(flags() & kPathOnly); }
  bool writable() const { return (flags() & kOpenAccessMask) != kReadOnly && !(flags() & kPathOnly); }
  bool non_blocking() const { return flags() & kNonBlock; }
  const Path& path() const { return path_; }
  Inode* inode() const { return path_.inode(); }

  // For calls that are about to make one: Nfile when there are as many as may be (fs.file-max; the last are root's).
  static Result<> check_room();

  // For who points to the file without a reference: told before it dies.
  CloseWatchers close_watchers;
  void last_reference_dropped() { close_watchers.file_closing(*this); }   // base/ref.h calls it

 private:
  std::atomic<uint32_t> flags_;
  Path path_;
  const identity::Charge<identity::Kept::OpenFiles> charge_;
};

// `file` as a T, or null. T has `static constexpr char kType` and a type() that returns its address.
template <class T>
T* file_cast(File& file) {
  return file.type() == &T::kType ? static_cast<T*>(&file) : nullptr;
}

}  // namespace tine::file
