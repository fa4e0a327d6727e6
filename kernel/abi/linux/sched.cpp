// SPDX-License-Identifier: BSD-2-Clause
// sched_setscheduler(2) and the calls around it. Deadline scheduling does not exist here: EINVAL, as for any
// policy that is not known.
#include "abi/linux/sched.h"

#include <algorithm>

#include "abi/linux/sched_permission.h"
#include "abi/linux/timespec.h"
#include "sched/scheduler.h"

namespace tine::abi::linux_abi {

using process::Thread;
using sched::Priority;

namespace {

enum Policy : int { kOther = 0, kFifo = 1, kRoundRobin = 2, kBatch = 3, kIdle = 5, kDeadline = 6 };
constexpr uint32_t kResetOnFork = 0x40000000;  // in a policy argument
constexpr int kMostRealtime = 99;
constexpr Nanoseconds kRoundRobinSlice = 100 * kMillisecond;

constexpr bool is_realtime(int policy) { return policy == kFifo || policy == kRoundRobin; }
constexpr bool is_known(int policy) {
  return is_realtime(policy) || policy == kOther || policy == kBatch || policy == kIdle;
}

// Inval for a policy that is not known and a real-time priority that does not go with it.
Result<> check_parameters(int policy, int realtime) {
  if (!is_known(policy)) return Error(Errno::Inval);
  const bool fits = is_realtime(policy) ? realtime >= 1 && realtime <= kMostRealtime : realtime == 0;
  if (!fits) return Error(Errno::Inval);
  return {};
}

Result<> check_may_set(const Call& call, const Thread& target, const Priority& now, const Priority& wanted) {
  if (!may_change(call, target.process())) return Error(Errno::Perm);
  if (call.process().credentials()->capable(identity::Capability::SysNice)) return {};
  const uint64_t limit = target.process().limit(process::Resource::RealtimePriority);
  const bool more_urgent =
      is_realtime(wanted.policy) && (!is_realtime(now.policy) || wanted.realtime > now.realtime);
  if (more_urgent && wanted.realtime > limit) return Error(Errno::Perm);
  if (now.policy == kIdle && wanted.policy != kIdle && !may_set_nice(call, target, now.nice))
    return Error(Errno::Perm);
  if (!may_set_nice(call, target, wanted.nice)) return Error(Errno::Perm);
  return {};
}

// Gives the target change(what it has).
template <class Change>
Result<> set_parameters(const Call& call, Thread& target, Change&& change) {
  while (true) {
    const Priority now = target.priority, wanted = change(now);
    TRY(check_may_set(call, target, now, wanted));
    if (sched::replace_priority(target, now, wanted)) return {};
  }
}

Result<> set_policy(const Call& call, int id, int policy, int realtime) {
  TRY(check_parameters(policy, realtime));
  return set_parameters(call, *TRY(thread_by_id(call, id)), [=](const Priority& now) {
    return Priority{.nice = now.nice, .policy = static_cast<uint8_t>(policy), .realtime = static_cast<uint8_t>(realtime)};
  });
}

// struct sched_attr
struct Attributes {
  uint32_t size, policy;
  uint64_t flags;
  int32_t nice;
  uint32_t priority;
  uint64_t runtime, deadline, period;
};
constexpr size_t kAttributesSize = 48;
static_assert(sizeof(Attributes) == kAttributesSize);

}  // namespace

CallResult sys_sched_yield(const Call&) {
  sched::yield();
  return 0;
}

CallResult sys_sched_setscheduler(const Call& call) {
  const uint32_t policy = call.as_unsigned(1);
  // A child that does not inherit the policy is not offered.
  if (call.as_int(0) < 0 || (policy & kResetOnFork)) return Error(Errno::Inval);
  const auto parameter = call.pointer<const int32_t>(2);
  if (!parameter) return Error(Errno::Inval);
  TRY(set_policy(call, call.as_int(0), static_cast<int>(policy), TRY(parameter.load())));
  return 0;
}

CallResult sys_sched_setparam(const Call& call) {
  const auto parameter = call.pointer<const int32_t>(1);
  if (call.as_int(0) < 0 || !parameter) return Error(Errno::Inval);
  const int realtime = TRY(parameter.load());
  const auto target = TRY(thread_by_id(call, call.as_int(0)));
  TRY(set_policy(call, call.as_int(0), target->priority.policy, realtime));
  return 0;
}

CallResult sys_sched_getscheduler(const Call& call) {
  if (call.as_int(0) < 0) return Error(Errno::Inval);
  return TRY(thread_by_id(call, call.as_int(0)))->priority.policy;
}

CallResult sys_sched_getparam(const Call& call) {
  const auto parameter = call.pointer<int32_t>(1);
  if (call.as_int(0) < 0 || !parameter) return Error(Errno::Inval);
  TRY(parameter.store(TRY(thread_by_id(call, call.as_int(0)))->priority.realtime));
  return 0;
}

CallResult sys_sched_setattr(const Call& call) {
  const auto pointer = call.pointer<const Attributes>(1);
  if (!pointer || call.as_int(0) < 0 || call.args[2] != 0) return Error(Errno::Inval);
  const uint32_t size = TRY(pointer.as<const uint32_t>().load());
  if (size != 0 && size < kAttributesSize) return Error(Errno::TooBig);
  const Attributes wanted = TRY(pointer.load());
  if (wanted.flags != 0) return Error(Errno::Inval);
  const auto policy = static_cast<int>(wanted.policy);
  TRY(check_parameters(policy, static_cast<int>(std::min<uint32_t>(wanted.priority, INT32_MAX))));
  TRY(set_parameters(call, *TRY(thread_by_id(call, call.as_int(0))), [&](const Priority& now) {
    const int nice = is_realtime(policy) ? now.nice : std::clamp(wanted.nice, -20, 19);
    return Priority{.nice = static_cast<int8_t>(nice),
                    .policy = static_cast<uint8_t>(policy),
                    .realtime = static_cast<uint8_t>(wanted.priority)};
  }));
  return 0;
}

CallResult sys_sched_getattr(const Call& call) {
  const auto pointer = call.pointer<Attributes>(1);
  if (!pointer || call.as_int(0) < 0 || call.args[3] != 0) return Error(Errno::Inval);
  if (call.as_unsigned(2) < kAttributesSize || call.as_unsigned(2) > machine::kPageSize)
    return Error(Errno::Inval);
  const Priority priority = TRY(thread_by_id(call, call.as_int(0)))->priority;
  Attributes attributes{};
  attributes.size = kAttributesSize;
  attributes.policy = priority.policy;
  if (is_realtime(priority.policy))
    attributes.priority = priority.realtime;
  else
    attributes.nice = priority.nice;
  TRY(pointer.store(attributes));
  return 0;
}

CallResult sys_sched_get_priority_max(const Call& call) {
  const int policy = call.as_int(0);
  if (is_realtime(policy)) return kMostRealtime;
  if (!is_known(policy) && policy != kDeadline) return Error(Errno::Inval);
  return 0;
}

CallResult sys_sched_get_priority_min(const Call& call) {
  const int policy = call.as_int(0);
  if (is_realtime(policy)) return 1;
  if (!is_known(policy) && policy != kDeadline) return Error(Errno::Inval);
  return 0;
}

CallResult sys_sched_rr_get_interval(const Call& call) {
  if (call.as_int(0) < 0) return Error(Errno::Inval);
  const int policy = TRY(thread_by_id(call, call.as_int(0)))->priority.policy;
  TRY(call.pointer<TimeSpec>(1).store(to_timespec(policy == kRoundRobin ? kRoundRobinSlice : 0)));
  return 0;
}

}  // namespace tine::abi::linux_abi
