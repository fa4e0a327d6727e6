// SPDX-License-Identifier: BSD-2-Clause
// eventfd: reading, writing, readiness.
#include "event/eventfd.h"

namespace tine::event {

using namespace file;

bool EventFile::try_take(uint64_t& value) {
  {
    sync::SpinGuard guard(lock_);
    if (count_ == 0) return false;
    value = reading_ == Reading::TakesOne ? 1 : count_;
    count_ -= value;
  }
  changed_.wake(kPollOut | kPollWrNorm);
  return true;
}

bool EventFile::try_add(uint64_t value) {
  {
    sync::SpinGuard guard(lock_);
    if (value > kMost - count_) return false;
    count_ += value;
  }
  changed_.wake(kPollIn | kPollRdNorm);
  return true;
}

Result<size_t> EventFile::read(IoBuffer& into, uint64_t*) {
  uint64_t value = 0;
  if (into.remaining() < sizeof value) return Error(Errno::Inval);
  while (!try_take(value)) {
    if (non_blocking()) return Error(Errno::Again);
    TRY(sched::wait_until(changed_, {.name = "eventfd"}, [this] {
      sync::SpinGuard guard(lock_);
      return count_ != 0;
    }));
  }
  return into.put(&value, sizeof value);
}

Result<size_t> EventFile::write(IoBuffer& from, uint64_t*) {
  uint64_t value = 0;
  if (from.remaining() < sizeof value) return Error(Errno::Inval);
  if (TRY(from.take(&value, sizeof value)) != sizeof value) return Error(Errno::Fault);
  if (value == ~uint64_t{0}) return Error(Errno::Inval);
  while (!try_add(value)) {
    if (non_blocking()) return Error(Errno::Again);
    TRY(sched::wait_until(changed_, {.name = "eventfd"}, [this, value] {
      sync::SpinGuard guard(lock_);
      return value <= kMost - count_;
    }));
  }
  return sizeof value;
}

PollEvents EventFile::poll(Poller* poller) {
  if (poller != nullptr) poller->watch(changed_);
  sync::SpinGuard guard(lock_);
  PollEvents events = 0;
  if (count_ > 0) events |= kPollIn | kPollRdNorm;
  if (count_ < kMost) events |= kPollOut | kPollWrNorm;
  return events;
}

void EventFile::describe(file::DetailSink& sink) {
  uint64_t count = 0;
  {
    sync::SpinGuard guard(lock_);
    count = count_;
  }
  sink.print("eventfd-count: %16llx\n", static_cast<unsigned long long>(count));
}

}  // namespace tine::event
