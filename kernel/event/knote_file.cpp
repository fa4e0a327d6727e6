// SPDX-License-Identifier: BSD-2-Clause
// EVFILT_READ, EVFILT_WRITE, EVFILT_VNODE and EVFILT_PROCDESC: knotes of open files. Readiness is the file's own poll(); the
// data of an event is how many bytes can be moved, where the file can tell. What happens to an inode comes
// through its `changes` queue, whose events are the NOTE_ bits of EVFILT_VNODE.
#include "event/knote_file.h"

#include "event/epoll.h"
#include "file/inode.h"
#include "file/pipe.h"
#include "file/unix_socket.h"
#include "process/pidfd.h"

namespace tine::event {

namespace {

using file::File;
using file::PollEvents;

constexpr uint32_t kNoteLowWater = 0x0001, kNoteEndOfFile = 0x0002;

// --- Reading and writing ---

int64_t readable_bytes(File& file) {
  if (auto* pipe = file::file_cast<file::PipeFile>(file)) return static_cast<int64_t>(pipe->pipe().used());
  if (auto* socket = file::file_cast<file::UnixSocket>(file)) {
    file::UnixEndpoint& endpoint = socket->endpoint();
    return endpoint.is_listening() ? 1 : static_cast<int64_t>(endpoint.readable_bytes());
  }
  if (file.inode() != nullptr && file.inode()->is_regular()) {
    sync::MutexGuard guard(file.offset_lock);
    return static_cast<int64_t>(file.inode()->size()) - static_cast<int64_t>(file.offset);
  }
  return 1;
}

int64_t writable_bytes(File& file) {
  if (auto* pipe = file::file_cast<file::PipeFile>(file))
    return static_cast<int64_t>(pipe->pipe().capacity() - pipe->pipe().used());
  return 1;
}

class ReadNote final : public FileNote, public mem::FromCache<ReadNote> {
 public:
  using FileNote::FileNote;
  bool take(Kevent& event) override {
    const PollEvents ready = file_.poll(nullptr);
    const bool at_end = ready & (file::kPollHup | file::kPollRdHup);
    if (at_end) event.flags |= kEventEof;
    event.data = ready & file::kPollIn ? readable_bytes(file_) : 0;
    if (is_regular()) {
      // At its end a file has nothing to read, though read(2) would not wait.
      if (event.data == 0) event.fflags = setting.fflags & kNoteEndOfFile;
      return event.data != 0 || event.fflags != 0;
    }
    const int64_t least = setting.fflags & kNoteLowWater ? setting.data : 1;
    return at_end || ((ready & file::kPollIn) && event.data >= least) || (ready & file::kPollErr);
  }

 private:
  bool is_regular() const { return file_.inode() != nullptr && file_.inode()->is_regular(); }
  void start_watching() override {
    if (is_regular())
      watch(file_.inode()->changes);
    else
      (void)file_.poll(this);
  }
};

class WriteNote final : public FileNote, public mem::FromCache<WriteNote> {
 public:
  using FileNote::FileNote;
  bool take(Kevent& event) override {
    const PollEvents ready = file_.poll(nullptr);
    if (ready & (file::kPollHup | file::kPollErr)) event.flags |= kEventEof;
    event.data = writable_bytes(file_);
    return ready & (file::kPollOut | file::kPollHup | file::kPollErr);
  }

 private:
  void start_watching() override { (void)file_.poll(this); }
};

// --- Process descriptors ---

class DescriptorNote final : public FileNote, public mem::FromCache<DescriptorNote> {
 public:
  using FileNote::FileNote;
  bool take(Kevent& event) override {
    if (file_.poll(nullptr) == 0) return false;
    event.fflags = setting.fflags & kNoteExit;
    event.data = static_cast<process::PidFile&>(file_).process().exit_status;
    event.flags |= kEventEof;
    return event.fflags != 0;
  }

 private:
  void start_watching() override { (void)file_.poll(this); }
};

// --- Inodes ---

class VnodeNote final : public FileNote, public mem::FromCache<VnodeNote> {
 public:
  using FileNote::FileNote;

  bool take(Kevent& event) override {
    sync::SpinGuard guard(queue->lock);
    event.fflags = happened_;
    if (setting.flags & kEventClear) happened_ = 0;
    return event.fflags != 0;
  }
  // Asking must not clear what take() would.
  bool ready() override {
    sync::SpinGuard guard(queue->lock);
    return happened_ != 0;
  }

 private:
  void start_watching() override { watch(file_.inode()->changes); }
  void woken(uint32_t events) override {
    Kqueue& home = *queue;
    {
      sync::SpinGuard guard(home.lock);
      events &= setting.fflags;
      if (events == 0) return;
      happened_ |= events;
      home.enqueue(*this);
    }
    home.announce();
  }

  uint32_t happened_ = 0;  // Kqueue::lock
};

}  // namespace

Result<Ref<Knote>> make_file_note(const Kevent& change, File& file) {
  // Epoll sets pass a wake-up on at once, and may watch kqueues: it could come back to where it began.
  if (file::file_cast<EpollFile>(file) != nullptr) return Error(Errno::Inval);
  if (auto* watched = file::file_cast<KqueueFile>(file)) return make_kqueue_note(change, *watched);
  switch (change.filter) {
    case kFilterRead:
      return Ref<Knote>(TRY(mem::make_ref<ReadNote>(file)));
    case kFilterWrite:
      return Ref<Knote>(TRY(mem::make_ref<WriteNote>(file)));
    case kFilterDescriptor:
      if (!process::is_process_descriptor(file)) return Error(Errno::Inval);
      return Ref<Knote>(TRY(mem::make_ref<DescriptorNote>(file)));
    default:
      break;
  }
  if (file.inode() == nullptr) return Error(Errno::Inval);
  return Ref<Knote>(TRY(mem::make_ref<VnodeNote>(file)));
}

}  // namespace tine::event
