// SPDX-License-Identifier: BSD-2-Clause
// poll: looks at each file once, leaving a waiter on every queue that the files show, sleeps until one is
// woken, and looks again. Rule: a waiter's file is referenced until the waiter is off the queue, since
// another thread may close the descriptor meanwhile.
#include "event/poll.h"

#include <boost/intrusive/slist.hpp>

#include "sched/scheduler.h"
#include "sched/wait_queue.h"

namespace tine::event {
namespace {

using file::PollEvents;

// These are reported, and wake, whether they are asked for or not.
constexpr PollEvents kAlways = file::kPollErr | file::kPollHup;

// The waiters of one poll call. The first few lie on the stack of the caller: most calls are about few files.
class PollTable final : public file::Poller {
 public:
  ~PollTable() {
    for (unsigned i = 0; i < first_.used; i++) first_.waiters[i].stop();
    while (!more_.empty()) {
      Chunk& chunk = more_.front();
      more_.pop_front();
      sched::maybe_yield();
      for (unsigned i = 0; i < chunk.used; i++) chunk.waiters[i].stop();
      delete &chunk;
    }
  }

  // What the queues shown from now on belong to. The file is referenced for each of them.
  void set_subject(file::File& file, PollEvents wanted) {
    file_ = &file;
    wanted_ = wanted;
  }

  void watch(sched::WaitQueue& queue) override {
    // Descriptors of one file show one queue: a second waiter there would hear nothing new.
    Watched& last = watched_[reinterpret_cast<uintptr_t>(&queue) / alignof(sched::WaitQueue) % kWatched];
    if (last.queue == &queue && (wanted_ & ~last.wanted) == 0) return;
    Waiter* waiter = next_waiter();
    if (waiter == nullptr) {
      out_of_memory_ = true;
      return;
    }
    waiter->start(*this, queue, *file_, wanted_);
    last = {&queue, wanted_};
  }

  bool out_of_memory() const { return out_of_memory_; }

  // Forgets earlier wake-ups: what they announced is about to be looked at.
  void rearm() { woken_.store(false, std::memory_order_seq_cst); }
  bool woken() const { return woken_.load(std::memory_order_seq_cst); }

 private:
  class Waiter final : public sched::Waiter {
   public:
    void start(PollTable& table, sched::WaitQueue& queue, file::File& file, PollEvents wanted) {
      table_ = &table;
      queue_ = &queue;
      file_ = &file;
      wanted_ = wanted;
      queue.add(*this);
    }
    void stop() {
      queue_->remove(*this);
      file_.reset();
    }
    // Never counts as "one woken": a poller does not consume what it hears of, so the next waiter must hear
    // it too.
    bool on_wake(uint32_t events) override {
      if (events & wanted_) {
        table_->woken_.store(true, std::memory_order_seq_cst);
        sched::wake(table_->thread_);
      }
      return false;
    }

   private:
    PollTable* table_ = nullptr;
    sched::WaitQueue* queue_ = nullptr;
    Ref<file::File> file_;
    PollEvents wanted_ = 0;
  };

  struct Few {
    static constexpr unsigned kCapacity = 8;
    unsigned used = 0;
    Waiter waiters[kCapacity];
  };
  struct Chunk : boost::intrusive::slist_base_hook<>, mem::FromCache<Chunk> {
    static constexpr unsigned kCapacity = 64;
    unsigned used = 0;
    Waiter waiters[kCapacity];
  };

  // Some of the queues that have a waiter of this call, and for which events.
  static constexpr size_t kWatched = 13;
  struct Watched {
    const sched::WaitQueue* queue = nullptr;
    PollEvents wanted = 0;
  };

  Waiter* next_waiter() {
    if (first_.used < Few::kCapacity) return &first_.waiters[first_.used++];
    if (more_.empty() || more_.front().used == Chunk::kCapacity) {
      auto chunk = mem::make<Chunk>();
      if (!chunk) return nullptr;
      more_.push_front(**chunk);
    }
    return &more_.front().waiters[more_.front().used++];
  }

  sched::Thread& thread_ = sched::current();
  std::atomic<bool> woken_{false};
  file::File* file_ = nullptr;
  PollEvents wanted_ = 0;
  bool out_of_memory_ = false;
  Watched watched_[kWatched];
  Few first_;
  boost::intrusive::slist<Chunk> more_;
};

// One look at all of them. `table`, unless null, gets a waiter for each until the first that is ready.
Result<unsigned> look(file::DescriptorTable& descriptors, PollList& requests, PollTable* table) {
  constexpr unsigned kRestEvery = 64;
  unsigned ready = 0, looked = 0;
  const auto look_at = [&](PollFd& request) {
    request.returned = 0;
    if (request.descriptor < 0) return;
    const auto file = descriptors.get(request.descriptor);
    PollEvents events = file::kPollNval;
    if (file) {
      const PollEvents wanted = static_cast<uint16_t>(request.events) | kAlways;
      if (table != nullptr) table->set_subject(**file, wanted);
      events = (*file)->poll(table) & wanted;
    }
    if (events == 0) return;
    request.returned = static_cast<int16_t>(events);
    ready++;
    table = nullptr;  // nobody will sleep
  };
  TRY(requests.for_each_piece([&](std::span<PollFd> piece) -> Result<> {
    for (PollFd& request : piece) {
      look_at(request);
      if (++looked % kRestEvery == 0) TRY(sched::step());
    }
    return {};
  }));
  return ready;
}

}  // namespace

Result<unsigned> poll(file::DescriptorTable& descriptors, PollList& requests, Nanoseconds deadline) {
  if (deadline == 0) return look(descriptors, requests, nullptr);
  PollTable table;
  unsigned ready = TRY(look(descriptors, requests, &table));
  while (ready == 0) {
    if (table.out_of_memory()) return Error(Errno::NoMem);
    sched::set_sleeping(sched::Sleep::Interruptible, "poll");
    const bool woken = table.woken();
    const bool interrupted = sched::interrupt_pending();
    const bool late = deadline != kForever && machine::now() >= deadline;
    if (!woken && !interrupted && !late) sched::block(deadline);
    sched::cancel_sleeping();
    if (!woken && interrupted) return Error(Errno::RestartNoHandler);

    table.rearm();
    ready = TRY(look(descriptors, requests, nullptr));
    if (ready == 0 && late) break;
  }
  return ready;
}

}  // namespace tine::event
