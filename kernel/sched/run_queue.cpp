// SPDX-License-Identifier: BSD-2-Clause
#include "sched/run_queue.h"

#include <algorithm>
#include <bit>

#include "base/assert.h"
#include "machine/interrupts.h"
#include "sched/jitter.h"
#include "sched/weight.h"

namespace tine::sched {

namespace {

uint32_t factor_of(const Priority& priority) {
  if (priority.policy == kPolicyIdle) return kIdlePolicyFactor;
  return kNiceFactors[static_cast<size_t>(priority.nice - kLeastNice)];
}

// Recent CPU use loses half of its weight each second.
void decay_estcpu(Thread& thread, Nanoseconds now) {
  const Nanoseconds since = now - thread.estcpu_halved_at;
  if (since < kSecond) return;
  const uint64_t halvings = since / kSecond;
  thread.estcpu = halvings < 64 ? thread.estcpu >> halvings : 0;
  thread.estcpu_halved_at += halvings * kSecond;
}

}  // namespace

void RunQueue::admit(Thread& thread) {
  const int64_t lag = std::max(static_cast<int64_t>(thread.virtual_runtime), -kSleeperCredit);
  thread.virtual_runtime = minimum_ + static_cast<uint64_t>(lag);
  insert(thread, Place::Tail);
}

void RunQueue::let_go(Thread& thread) { thread.virtual_runtime -= minimum_; }

void RunQueue::insert(Thread& thread, Place place) {
  DEBUG_ASSERT(!thread.is_idle && thread.cpu.load(std::memory_order_relaxed) == cpu);
  if (const unsigned rank = rank_of(thread); rank != 0) {
    RealtimeList& list = realtime_[rank];
    list.insert(place == Place::Head ? list.begin() : list.end(), thread);
    realtime_ranks_[rank / 64] |= uint64_t{1} << rank % 64;
  } else {
    fair_.insert(thread);
  }
  queued.store(load() + 1, std::memory_order_relaxed);
}

void RunQueue::take_out(Thread& thread) {
  if (thread.queue_hook.is_linked()) {
    const unsigned rank = rank_of(thread);
    RealtimeList& list = realtime_[rank];
    list.erase(list.iterator_to(thread));
    if (list.empty()) realtime_ranks_[rank / 64] &= ~(uint64_t{1} << rank % 64);
  } else {
    fair_.erase(fair_.iterator_to(thread));
  }
  queued.store(load() - 1, std::memory_order_relaxed);
}

unsigned RunQueue::highest_rank() const {
  if (realtime_ranks_[1] != 0) return 127 - static_cast<unsigned>(std::countl_zero(realtime_ranks_[1]));
  if (realtime_ranks_[0] != 0) return 63 - static_cast<unsigned>(std::countl_zero(realtime_ranks_[0]));
  return 0;
}

Thread* RunQueue::pick() {
  if (load() == 0) return nullptr;
  const unsigned rank = highest_rank();
  auto first = fair_.begin();
  if (rank == 0)
    while (jitter(2) && std::next(first) != fair_.end()) ++first;
  Thread& next = rank != 0 ? realtime_[rank].front() : *first;
  take_out(next);
  return &next;
}

Thread* RunQueue::pick_for(unsigned thief) {
  const CpuSet bit = CpuSet{1} << thief;
  auto may_go = [bit](const Thread& thread) { return (thread.affinity.load(std::memory_order_relaxed) & bit) != 0; };
  Thread* found = nullptr;
  for (unsigned rank = highest_rank(); rank != 0 && found == nullptr; rank--)
    if (auto at = std::ranges::find_if(realtime_[rank], may_go); at != realtime_[rank].end()) found = &*at;
  if (found == nullptr)
    if (auto at = std::ranges::find_if(fair_, may_go); at != fair_.end()) found = &*at;
  if (found != nullptr) take_out(*found);
  return found;
}

void RunQueue::account(Nanoseconds now) {
  Thread& thread = *current;
  if (now <= thread.switched_in_at) return;  // another CPU read its clock just before
  const Nanoseconds time = now - thread.switched_in_at;
  thread.switched_in_at = now;
  thread.runtime += time;
  if (thread.is_idle) {
    idle_time += time;
    return;
  }
  const Nanoseconds user = time * thread.user_share >> 8;
  thread.user_time += user;
  thread.system_time += time - user;
  user_time += user;
  system_time += time - user;
  load_integral += time * (load() + 1);
  decay_estcpu(thread, now);
  thread.estcpu += time;
  if (is_realtime(thread)) return;
  thread.virtual_runtime += weighted(time, factor_of(thread.priority));
  advance_minimum();
}

void RunQueue::advance_minimum() {
  uint64_t smallest = current->virtual_runtime;
  if (!fair_.empty()) smallest = std::min(smallest, fair_.begin()->virtual_runtime);
  minimum_ = std::max(minimum_, smallest);
}

void RunQueue::consider_preemption(const Thread& candidate) {
  if (current->is_idle) return request_preemption();
  const unsigned theirs = rank_of(candidate), ours = rank_of(*current);
  if (theirs != ours) {
    if (theirs > ours) request_preemption();
    return;
  }
  if (ours == 0) {
    const bool idle_runs = current->priority.policy == kPolicyIdle;
    if (idle_runs && candidate.priority.policy != kPolicyIdle) return request_preemption();
    const auto ahead = static_cast<int64_t>(current->virtual_runtime - candidate.virtual_runtime);
    const bool eager = candidate.priority.policy != kPolicyBatch && candidate.priority.policy != kPolicyIdle;
    if (eager && (ahead > kWakeupGranularity || jitter(2))) return request_preemption();
  }
  // It waits for the end of the slice. Another CPU finds out at its next tick.
  if (cpu == machine::cpu_id()) limit_tick(current->slice_start + slice);
}

void RunQueue::request_preemption() {
  const uint32_t before = current->user_work.fetch_or(kWorkReschedule, std::memory_order_acq_rel);
  if ((before & kWorkReschedule) == 0 && cpu != machine::cpu_id()) machine::send_reschedule(cpu);
}

void RunQueue::begin_slice(Nanoseconds now) {
  current->slice_start = now;
  slice = kSlice;
  while (jitter(2) && slice > kSlice / 128) slice /= 2;
}

bool RunQueue::slice_over(Nanoseconds now) const {
  if (load() == 0) return false;
  const unsigned ours = rank_of(*current), waiting = highest_rank();
  if (ours != waiting) return waiting > ours;
  if (current->priority.policy == kPolicyFifo) return false;
  return now - current->slice_start >= (ours != 0 ? kRoundRobinSlice : slice);
}

void RunQueue::audit(AuditReport& report) {
  uint32_t threads = 0;
  auto check = [&](const Thread& thread, unsigned rank) {
    threads++;
    if (thread.state.load(std::memory_order_relaxed) != ThreadState::Runnable)
      report.problem("CPU %u: '%s' is queued but not runnable", cpu, thread.name);
    if (thread.cpu.load(std::memory_order_relaxed) != cpu)
      report.problem("CPU %u: '%s' is queued but belongs to another CPU", cpu, thread.name);
    if (rank_of(thread) != rank) report.problem("CPU %u: '%s' is in the wrong list", cpu, thread.name);
  };
  for (unsigned rank = 1; rank < kRanks; rank++) {
    for (const Thread& thread : realtime_[rank]) check(thread, rank);
    if (realtime_[rank].empty() == ((realtime_ranks_[rank / 64] >> rank % 64 & 1) != 0))
      report.problem("CPU %u: the bit of priority %u is wrong", cpu, rank);
  }
  for (const Thread& thread : fair_) check(thread, 0);
  if (threads != load()) report.problem("CPU %u: %u threads queued, %u counted", cpu, threads, load());
  if (current != nullptr && current->state.load(std::memory_order_relaxed) == ThreadState::Dead)
    report.problem("CPU %u runs a dead thread", cpu);
}

void audit_run_queues(AuditReport& report) {
  for (unsigned cpu = 0; cpu < machine::kMaxCpus; cpu++) {
    RunQueue& queue = queue_of(cpu);
    sync::SpinGuard guard(queue.lock);
    queue.audit(report);
  }
}

void RunQueue::fall_behind(Thread& thread) {
  if (is_realtime(thread) || fair_.empty()) return;
  thread.virtual_runtime = std::max(thread.virtual_runtime, fair_.begin()->virtual_runtime);
}

}  // namespace tine::sched
