// SPDX-License-Identifier: BSD-2-Clause
// eventfd(2): a counter that one side adds to and the other waits for. Lock: its spinlock, before its wait
// queue's.
#pragma once

#include "file/file.h"

namespace tine::event {

class EventFile final : public file::File, public mem::FromCache<EventFile> {
 public:
  // A semaphore gives 1 per read; otherwise a read takes the whole count.
  enum class Reading : uint8_t { TakesAll, TakesOne };
  // `flags`: kReadWrite, perhaps kNonBlock.
  EventFile(uint64_t count, Reading reading, uint32_t flags)
      : File(flags, file::Path()), reading_(reading), count_(count) {}

  Result<size_t> read(file::IoBuffer& into, uint64_t* offset) override;
  Result<size_t> write(file::IoBuffer& from, uint64_t* offset) override;
  file::PollEvents poll(file::Poller* poller) override;
  void describe(file::DetailSink& sink) override;
  const char* kind() const override { return "anon_inode:[eventfd]"; }

 private:
  static constexpr uint64_t kMost = ~uint64_t{0} - 1;  // a write that would pass it waits
  bool try_take(uint64_t& value);
  bool try_add(uint64_t value);

  const Reading reading_;
  sync::Spinlock lock_{"eventfd"};
  uint64_t count_ GUARDED_BY(lock_);
  sched::WaitQueue changed_{"eventfd"};
};

}  // namespace tine::event
