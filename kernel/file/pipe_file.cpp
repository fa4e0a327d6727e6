// SPDX-License-Identifier: BSD-2-Clause
// Open ends of pipes and FIFOs.
#include "file/fifo.h"
#include "file/pipe.h"
#include "identity/credentials.h"
#include "sched/clock.h"
#include "vm/user_ptr.h"

namespace tine::file {
namespace {

constexpr uint32_t kBytesToRead = 0x541b;   // FIONREAD

Result<Ref<File>> open_end(Ref<Pipe> pipe, const Path& path, uint32_t flags, identity::Uid uid, identity::Gid gid) {
  const uint32_t access = flags & kOpenAccessMask;
  const bool waits = !(flags & kNonBlock);
  if (access == kWriteOnly && !waits && !pipe->has_readers()) return Error(Errno::Nxio);
  const uint32_t readers_before = pipe->reader_opens(), writers_before = pipe->writer_opens();
  Ref<File> file = TRY(mem::make_ref<PipeFile>(flags, path, pipe, uid, gid));
  if (waits && access == kReadOnly) TRY(pipe->wait_for_writer(writers_before));
  if (waits && access == kWriteOnly) TRY(pipe->wait_for_reader(readers_before));
  return file;
}

}  // namespace

PipeFile::PipeFile(uint32_t flags, Path path, Ref<Pipe> pipe, identity::Uid uid, identity::Gid gid)
    : File(flags, std::move(path)), pipe_(std::move(pipe)), uid_(uid), gid_(gid), opened_at_(sched::wall_clock()),
      writers_before_(pipe_->writer_opens() - (is_anonymous() || pipe_->has_writers())) {
  pipe_->add_ends(readable(), writable());
}

PipeFile::~PipeFile() { pipe_->remove_ends(readable(), writable()); }

PollEvents PipeFile::poll(Poller* poller) {
  PollEvents ready = 0;
  if (readable()) ready |= pipe_->poll_read(poller, writers_before_);
  if (writable()) ready |= pipe_->poll_write(poller);
  return ready;
}

Result<uint64_t> PipeFile::control(uint32_t command, uint64_t argument) {
  if (command != kBytesToRead) return Error(Errno::NotTty);
  TRY(vm::UserPtr<int32_t>(argument).store(static_cast<int32_t>(pipe_->used())));
  return 0;
}

Result<> PipeFile::stat(Stat& into) {
  if (!is_anonymous()) return File::stat(into);
  into.inode = pipe_->number;
  into.mode = mode_of(FileType::Fifo) | 0600;
  into.uid = uid_;
  into.gid = gid_;
  into.accessed = into.modified = into.changed = opened_at_;
  return {};
}

Result<Ref<File>> open_fifo(const Path& path, uint32_t flags) {
  Inode& inode = *path.inode();
  Ref<Attachment> attachment = inode.attachment();
  if (attachment == nullptr) attachment = inode.attach(TRY(Pipe::make()));
  return open_end(boost::static_pointer_cast<Pipe>(attachment), path, flags, inode.uid, inode.gid);
}

Result<Ref<File>> open_pipe(const Inode& inode, uint32_t flags) {
  Ref<Pipe> pipe = boost::static_pointer_cast<Pipe>(inode.attachment());
  return Ref<File>(TRY(mem::make_ref<PipeFile>(flags, Path(), std::move(pipe), inode.uid, inode.gid)));
}

Result<PipeEnds> make_pipe(uint32_t flags, const identity::Credentials& owner) {
  Ref<Pipe> pipe = TRY(Pipe::make());
  PipeEnds ends;
  ends.reader = TRY(mem::make_ref<PipeFile>(flags | kReadOnly, Path(), pipe, owner.fsuid, owner.fsgid));
  ends.writer = TRY(mem::make_ref<PipeFile>(flags | kWriteOnly, Path(), pipe, owner.fsuid, owner.fsgid));
  return ends;
}

}  // namespace tine::file
