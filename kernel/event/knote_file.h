// SPDX-License-Identifier: BSD-2-Clause
// What the knotes of open files have in common: they sit in the file's wait queues, and go when it is closed.
#pragma once

#include "event/kqueue.h"
#include "file/poll.h"

namespace tine::event {

class FileNote : public Knote, protected file::Poller {
 public:
  explicit FileNote(file::File& file) : file_(file) {}
  const file::File* watched_file() const override { return &file_; }
  // Ready is who would be told something.
  bool ready() override {
    Kevent event = setting;
    return take(event);
  }

  Result<> attach() override {
    file_.close_watchers.add(*this);
    start_watching();
    if (out_of_places_) return Error(Errno::NoMem);
    if (ready()) activate();
    return {};
  }
  void detach() override {
    for (Source& source : sources_) source.stop();
    file_.close_watchers.remove(*this);
  }
  void file_closing(file::File&) override {
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

  file::File& file_;  // whole while the knote is in its set and Kqueue::mutex is held

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

}  // namespace tine::event
