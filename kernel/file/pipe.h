// SPDX-License-Identifier: BSD-2-Clause
// Pipe: a ring of bytes between those who write and those who read. Serves pipe(2) and FIFOs. A write of at most kAtomic
// bytes is not interleaved with others. The ring starts over at its first page whenever it runs empty, so a pipe that
// carries short messages lives in one page that stays in the cache. Source: pipe(7).
// Lock: the pipe's Mutex, held while user memory is copied (before the address space's).
#pragma once

#include <atomic>

#include "file/file.h"
#include "file/inode.h"
#include "identity/charge.h"
#include "mem/buffer.h"
#include "mem/frame.h"
#include "sched/wait_queue.h"

namespace tine::file {

// fs.pipe-*: the largest capacity that fcntl(F_SETPIPE_SZ) gives an ordinary user, in bytes, and from how many pages in all
// pipes of a user on new ones are small; 0: never. The hard bound is that of Kept::PipePages. Source: pipe(7).
struct PipeLimits {
  std::atomic<uint32_t> largest{1u << 20};
  std::atomic<uint64_t> soft{16384};
};
extern PipeLimits pipe_limits;

class Pipe final : public Attachment, public mem::FromCache<Pipe> {
 public:
  static constexpr size_t kAtomic = 4096;                 // PIPE_BUF
  static constexpr size_t kDefaultCapacity = 65536;
  static constexpr size_t kLeastCapacity = 2 * mem::kPageSize;   // of pipes of a user who has many

  // Charged to the running thread's user by what it may hold at most. NFile: that user may have no more.
  static Result<Ref<Pipe>> make();
  explicit Pipe(identity::Payer payer);
  ~Pipe() override;

  Result<size_t> read(IoBuffer& into, bool non_blocking);      // 0: no writer and nothing left
  Result<size_t> write(IoBuffer& from, bool non_blocking);     // Pipe: no reader
  PollEvents poll_read(Poller* poller, uint32_t writers_before);
  PollEvents poll_write(Poller* poller);

  // Opening and closing of ends.
  void add_ends(bool reader, bool writer);
  void remove_ends(bool reader, bool writer);
  bool has_readers() const { return readers_.load() != 0; }
  // Until the other end is open, or has been opened since the count `opens_before` was read.
  Result<> wait_for_reader(uint32_t opens_before);
  Result<> wait_for_writer(uint32_t opens_before);
  uint32_t reader_opens() const { return reader_opens_.load(); }
  uint32_t writer_opens() const { return writer_opens_.load(); }
  bool has_writers() const { return writers_.load() != 0; }

  size_t used() const { return used_.load(std::memory_order_relaxed); }
  size_t capacity() const { return capacity_.load(std::memory_order_relaxed); }
  // At least `bytes`, in whole pages, a power of two of them. Busy when more is in the pipe; Perm when that is beyond a
  // limit (PipeLimits). Gives the new capacity.
  Result<size_t> set_capacity(size_t bytes);

  const uint64_t number;                                       // its inode number

 private:
  struct Piece {
    std::byte* bytes;
    size_t size;
  };
  Result<Piece> space_at(size_t position) REQUIRES(lock_);     // up to the page's end; makes the page
  Piece data_at(size_t position) REQUIRES(lock_);
  bool has_room() const { return capacity() - used() >= kAtomic; }
  void free_pages(size_t keep) REQUIRES(lock_);
  Result<size_t> fill(IoBuffer& from) REQUIRES(lock_);
  Result<size_t> drain(IoBuffer& into) REQUIRES(lock_);

  using PagesCharge = identity::Charge<identity::Kept::PipePages>;
  static Result<PagesCharge> charge_pages(const identity::Payer& payer, size_t& capacity);
  Result<> recharge(uint64_t pages, bool privileged) REQUIRES(lock_);

  const identity::Charge<identity::Kept::Pipes> charge_;
  sync::Mutex lock_{"pipe"};
  PagesCharge pages_charge_ GUARDED_BY(lock_);   // for the capacity
  mem::Buffer<mem::Frame*> pages_ GUARDED_BY(lock_);
  size_t head_ GUARDED_BY(lock_) = 0;                          // where the oldest byte is
  std::atomic<size_t> used_{0};                                // these change under lock_, and are read by waiters
  std::atomic<size_t> capacity_{0};
  std::atomic<uint32_t> readers_{0}, writers_{0};
  std::atomic<uint32_t> reader_opens_{0}, writer_opens_{0};
  sched::WaitQueue readable_{"pipe read"};
  sched::WaitQueue writable_{"pipe write"};
  sched::WaitQueue opened_{"fifo"};
};

// An end of a pipe, or both (a FIFO opened for reading and writing).
class PipeFile final : public File, public mem::FromCache<PipeFile> {
 public:
  static constexpr char kType = 0;
  PipeFile(uint32_t flags, Path path, Ref<Pipe> pipe, identity::Uid uid, identity::Gid gid);
  ~PipeFile() override;
  const void* type() const override { return &kType; }

  Pipe& pipe() const { return *pipe_; }
  Result<size_t> read(IoBuffer& into, uint64_t*) override { return pipe_->read(into, non_blocking()); }
  Result<size_t> write(IoBuffer& from, uint64_t*) override { return pipe_->write(from, non_blocking()); }
  PollEvents poll(Poller* poller) override;
  Result<uint64_t> control(uint32_t command, uint64_t argument) override;
  Result<> allocate(uint32_t, uint64_t, uint64_t) override { return Error(Errno::Spipe); }
  Result<> stat(Stat& into) override;
  const char* kind() const override { return "pipe"; }

 private:
  bool is_anonymous() const { return inode() == nullptr; }   // else a FIFO's

  const Ref<Pipe> pipe_;
  const identity::Uid uid_;
  const identity::Gid gid_;
  const Nanoseconds opened_at_;
  const uint32_t writers_before_;    // no hang-up is shown before a writer has come since
};

struct PipeEnds {
  Ref<File> reader, writer;
};
// pipe2(2); `flags`: O_NONBLOCK, O_CLOEXEC left out.
Result<PipeEnds> make_pipe(uint32_t flags, const identity::Credentials& owner);
// One more end of the pipe that is attached to this inode, which is not a FIFO's. Through /proc/self/fd; does not wait for
// the other end, which has been there and may be gone for good.
Result<Ref<File>> open_pipe(const Inode& inode, uint32_t flags);

}  // namespace tine::file
