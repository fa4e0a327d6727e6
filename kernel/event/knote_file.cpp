// SPDX-License-Identifier: BSD-2-Clause
// EVFILT_READ, EVFILT_WRITE and EVFILT_VNODE: knotes of open files. Readiness is the file's own poll(); the
// data of an event is how many bytes can be moved, where the file can tell. What happens to an inode comes
// through its `changes` queue, whose events are the NOTE_ bits of EVFILT_VNODE.
#include "event/kqueue.h"
#include "file/inode.h"
#include "file/pipe.h"
#include "file/unix_socket.h"

namespace tine::event {

namespace {

using file::File;
using file::PollEvents;

constexpr uint32_t kNoteLowWater = 0x0001;

class FileNote : public Knote, protected file::Poller {
 public:
  explicit FileNote(File& file) : file_(file) {}
  const File* watched_file() const override { return &file_; }

  Result<> attach() override {
    file_.close_watchers.add(*this);
    start_watching();
    if (out_of_places_) return Error(Errno::NoMem);
    activate();
    return {};
  }
  void detach() override {
    for (Source& source : sources_) source.stop();
    file_.close_watchers.remove(*this);
  }
  void file_closing(File&) override {
    Ref<Kqueue> home = queue;  // removing may drop the last reference but this
    sync::MutexGuard guard(home->mutex);
    if (!removed) home->remove(*this);
  }

 protected:
  virtual void start_watching() = 0;
  virtual void woken(uint32_t) { activate(); }

  void watch(sched::WaitQueue& queue) override {
    for (Source& source : sources_)
      if (source.start(*this, queue)) return;
    out_of_places_ = true;
  }

  File& file_;  // whole while the knote is in its set and Kqueue::mutex is held

 private:
  // One queue of the file; no file shows more than four.
  class Source final : public sched::Waiter {
   public:
    bool start(FileNote& note, sched::WaitQueue& queue) {
      if (queue_ != nullptr) return false;
      note_ = &note;
      queue_ = &queue;
      queue.add(*this);
      return true;
    }
    void stop() {
      if (queue_ != nullptr) queue_->remove(*this);
      queue_ = nullptr;
    }
    bool on_wake(uint32_t events) override {
      note_->woken(events);
      return false;  // a knote takes nothing away from others that wait
    }

   private:
    FileNote* note_ = nullptr;
    sched::WaitQueue* queue_ = nullptr;
  };

  Source sources_[4];
  bool out_of_places_ = false;
};

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
    if (is_regular())
      return event.data != 0;  // at its end a file has nothing to read, though read(2) would not wait
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
  // Kqueues do not watch each other: their locks have no order among themselves.
  if (file::file_cast<KqueueFile>(file) != nullptr) return Error(Errno::Inval);
  switch (change.filter) {
    case kFilterRead:
      return Ref<Knote>(TRY(mem::make_ref<ReadNote>(file)));
    case kFilterWrite:
      return Ref<Knote>(TRY(mem::make_ref<WriteNote>(file)));
    default:
      break;
  }
  if (file.inode() == nullptr) return Error(Errno::Inval);
  return Ref<Knote>(TRY(mem::make_ref<VnodeNote>(file)));
}

}  // namespace tine::event
