// SPDX-License-Identifier: BSD-2-Clause
#include "sched/thread.h"

#include <string_view>
#include <utility>

#include "base/assert.h"
#include "machine/interrupts.h"
#include "sched/run_queue.h"

namespace tine::sched {

namespace {

// The steps that a thread's life may take; see ThreadState.
[[maybe_unused]] constexpr bool is_allowed(ThreadState from, ThreadState to) {
  switch (from) {
    case ThreadState::Embryo: return to == ThreadState::Runnable;
    case ThreadState::Runnable: return to == ThreadState::Running;
    case ThreadState::Running:
      return to == ThreadState::Runnable || to == ThreadState::Sleeping || to == ThreadState::Dead;
    case ThreadState::Sleeping: return to == ThreadState::Running || to == ThreadState::Runnable;
    case ThreadState::Dead: return false;
  }
  return false;
}

}  // namespace

Thread::Thread(const char* thread_name, mem::KernelStack stack) : stack_(std::move(stack)) {
  std::string_view(thread_name).copy(name, sizeof name - 1);
}

Thread::~Thread() {
  DEBUG_ASSERT(!RunQueue::is_queued(*this));
  const ThreadState last = state.load(std::memory_order_relaxed);
  ASSERT(last == ThreadState::Embryo || last == ThreadState::Dead);
}

void Thread::request_work(uint32_t bits) {
  const uint32_t before = user_work.fetch_or(bits);
  // A thread that is not on a CPU now tests the word after it is: on_cpu and user_work are both in one total order.
  if ((before & bits) == bits || !on_cpu.load()) return;
  const uint32_t where = cpu.load(std::memory_order_relaxed);
  machine::BriefInterruptGuard guard;
  if (where != machine::cpu_id()) machine::send_reschedule(where);
}

bool try_change_state(Thread& thread, ThreadState from, ThreadState to) {
  DEBUG_ASSERT(is_allowed(from, to));
  return thread.state.compare_exchange_strong(from, to);
}

void change_state(Thread& thread, ThreadState from, ThreadState to) {
  if (!try_change_state(thread, from, to))
    panic("thread '%s': state is %u, not %u, on the way to %u", thread.name,
          static_cast<unsigned>(thread.state.load(std::memory_order_relaxed)), static_cast<unsigned>(from),
          static_cast<unsigned>(to));
}

}  // namespace tine::sched
