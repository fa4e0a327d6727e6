// SPDX-License-Identifier: BSD-2-Clause
#include "process/life_events.h"

#include <atomic>
#include <array>

#include "base/log.h"
#include "mem/fault_injection.h"
#include "process/life_announce.h"
#include "sync/spinlock.h"

namespace tine::process {

namespace {

// Subscribers come and go at boot and in self-tests only; an array in order of registration needs no lock to walk
// because an entry is published before the count that covers it.
std::array<std::atomic<LifeSubscriber*>, kMaxLifeSubscribers> subscribers{};
std::atomic<unsigned> subscriber_count{0};
sync::Spinlock registration_lock{"life subscribers"};

template <class Function>
void for_each_subscriber(Function&& function) {
  const unsigned count = subscriber_count.load(std::memory_order_acquire);
  for (unsigned i = 0; i < count; ++i)
    if (LifeSubscriber* subscriber = subscribers[i].load(std::memory_order_acquire)) function(*subscriber, i);
}

unsigned remove_locked(LifeSubscriber& subscriber) REQUIRES(registration_lock) {
  const unsigned count = subscriber_count.load();
  unsigned kept = 0;
  for (unsigned i = 0; i < count; ++i)
    if (LifeSubscriber* entry = subscribers[i].load(); entry != &subscriber) subscribers[kept++].store(entry);
  subscriber_count.store(kept);
  return count - kept;
}

}  // namespace

Result<> subscribe(LifeSubscriber& subscriber) {
  sync::SpinGuard guard(registration_lock);
  if (remove_locked(subscriber) != 0)
    log(LogLevel::Warning, "life subscriber %p was registered already\n", static_cast<void*>(&subscriber));
  const unsigned count = subscriber_count.load();
  if (count == kMaxLifeSubscribers) return Error(Errno::NoMem);
  subscribers[count].store(&subscriber, std::memory_order_release);
  subscriber_count.store(count + 1, std::memory_order_release);
  return {};
}

unsigned unsubscribe(LifeSubscriber& subscriber) {
  sync::SpinGuard guard(registration_lock);
  return remove_locked(subscriber);
}

Result<> LifeReservation::take(Process& parent, const ForkRequest& request) {
  const unsigned count = subscriber_count.load(std::memory_order_acquire);
  while (count_ < count) {
    if (mem::should_fail()) return Error(Errno::NoMem);
    LifeSubscriber* subscriber = subscribers[count_].load(std::memory_order_acquire);
    uintptr_t token = 0;
    TRY(subscriber->reserve_fork(parent, request, token));
    places_[count_++] = {subscriber, token};
  }
  return {};
}

LifeReservation::~LifeReservation() {
  while (count_ != 0) {
    const Place& place = places_[--count_];
    place.subscriber->cancel_fork(place.token);
  }
}

void LifeReservation::announce(Process& parent, Process& child, const ForkRequest& request) && {
  for (unsigned i = 0; i < count_; ++i) places_[i].subscriber->forked(parent, child, request, places_[i].token);
  count_ = 0;
}

void announce_thread(Thread& creator, Thread& made) {
  for_each_subscriber([&](LifeSubscriber& subscriber, unsigned) { subscriber.thread_made(creator, made); });
}
void announce_thread_end(Thread& thread) {
  for_each_subscriber([&](LifeSubscriber& subscriber, unsigned) { subscriber.thread_ended(thread); });
}
void announce_started(Thread& thread, uint32_t cpu) {
  for_each_subscriber([&](LifeSubscriber& subscriber, unsigned) { subscriber.started(thread, cpu); });
}
void announce_first_return(Thread& thread) {
  for_each_subscriber([&](LifeSubscriber& subscriber, unsigned) { subscriber.first_return(thread); });
}
void announce_signal_taken(Thread& thread, const SignalInfo& info, uintptr_t handler) {
  for_each_subscriber([&](LifeSubscriber& subscriber, unsigned) { subscriber.signal_taken(thread, info, handler); });
}
void announce_exec(Process& process) {
  for_each_subscriber([&](LifeSubscriber& subscriber, unsigned) { subscriber.executed(process); });
}
void announce_exit(Process& process) {
  for_each_subscriber([&](LifeSubscriber& subscriber, unsigned) { subscriber.exited(process); });
}
void announce_signal(Process& process, int signal) {
  for_each_subscriber([&](LifeSubscriber& subscriber, unsigned) { subscriber.signalled(process, signal); });
}

}  // namespace tine::process
