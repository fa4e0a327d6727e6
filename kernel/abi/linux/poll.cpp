// SPDX-License-Identifier: BSD-2-Clause
// poll(2), ppoll(2), select(2), pselect(2). Select's bitmaps become a list of descriptors, so that both have
// one core.
#include <bit>

#include "abi/linux/descriptors.h"
#include "abi/linux/event.h"
#include "abi/linux/temporary_mask.h"
#include "abi/linux/timespec.h"
#include "event/poll.h"
#include "sched/scheduler.h"

namespace tine::abi::linux_abi {

using event::PollFd;
using namespace file;

namespace {

// --- poll ---

Result<uint64_t> poll_user(process::Process& process, uintptr_t address, uint64_t count,
                           Nanoseconds deadline) {
  if (count > process.limit(process::Resource::Files)) return Error(Errno::Inval);
  event::PollList requests;
  for (uint64_t done = 0; done < count;) {
    const std::span<PollFd> piece = TRY(requests.extend(count - done));
    TRY(vm::UserSpan<PollFd>(address, count).subspan(done).copy_in(piece));
    done += piece.size();
    TRY(sched::step());
  }
  const unsigned ready = TRY(event::poll(*process.descriptors(), requests, deadline));
  uint64_t stored = 0;
  TRY(requests.for_each_piece([&](std::span<PollFd> piece) -> Result<> {
    TRY(vm::UserSpan<PollFd>(address, count).subspan(stored).copy_out(piece));
    stored += piece.size();
    return sched::step();
  }));
  return ready;
}

CallResult poll_restartable(process::Thread& thread, uintptr_t address, uint64_t count,
                            Nanoseconds deadline) {
  const auto result = poll_user(thread.process(), address, count, deadline);
  if (result || result.error() != Errno::RestartNoHandler) return result;
  thread.restart = {.function = [](process::Thread& again) -> Result<uint64_t> {
                      const uint64_t* data = again.restart.data;
                      return poll_restartable(again, data[0], data[1], data[2]);
                    },
                    .data = {address, count, deadline}};
  return Error(Errno::RestartBlock);
}

// --- select ---

constexpr unsigned kSets = 3;  // readable, writable, exceptional
constexpr unsigned kBitsPerWord = 64;
struct SetMeaning {
  PollEvents asks;   // poll events that belong to the set ...
  PollEvents means;  // ... and those that make a descriptor a member of the answer
};
constexpr SetMeaning kMeanings[kSets] = {
    {kPollIn | kPollRdNorm | kPollRdBand, kPollIn | kPollRdNorm | kPollRdBand | kPollHup | kPollErr},
    {kPollOut | kPollWrNorm | kPollWrBand, kPollOut | kPollWrNorm | kPollWrBand | kPollErr},
    {kPollPri, kPollPri},
};

Result<uint64_t> select_user(const Call& call, Nanoseconds deadline) {
  if (call.as_int(0) < 0) return Error(Errno::Inval);
  const unsigned limit = std::min(call.as_unsigned(0), kMaxDescriptors);
  const unsigned words = (limit + kBitsPerWord - 1) / kBitsPerWord;

  auto bits = TRY(mem::Buffer<uint64_t>::make_zeroed(size_t{words} * kSets));
  const auto set_words = [&](unsigned set) { return bits.span().subspan(size_t{set} * words, words); };
  for (unsigned set = 0; set < kSets; set++)
    if (const auto user = call.pointer<uint64_t>(1 + set))
      TRY(vm::UserSpan(user, words).copy_in(set_words(set)));
  if (limit % kBitsPerWord != 0)
    for (unsigned set = 0; set < kSets; set++)
      set_words(set).back() &= (uint64_t{1} << limit % kBitsPerWord) - 1;

  // A descriptor that is not open is an error here, not an event; look before sleeping.
  const auto table = call.process().descriptors();
  event::PollList requests;
  for (unsigned word = 0; word < words; word++) {
    uint64_t any = set_words(0)[word] | set_words(1)[word] | set_words(2)[word];
    for (; any != 0; any &= any - 1) {
      const unsigned bit = std::countr_zero(any);
      PollFd request = {.descriptor = static_cast<int32_t>(word * kBitsPerWord + bit)};
      for (unsigned set = 0; set < kSets; set++)
        if (set_words(set)[word] >> bit & 1) request.events |= static_cast<int16_t>(kMeanings[set].asks);
      TRY(table->get(request.descriptor));
      TRY(requests.add(request));
    }
    TRY(sched::step());
  }
  TRY(event::poll(*table, requests, deadline));

  uint64_t members = 0;
  std::fill_n(bits.data(), bits.size(), 0);
  const auto answer = [&](const PollFd& request) {
    const auto descriptor = static_cast<unsigned>(request.descriptor);
    for (unsigned set = 0; set < kSets; set++) {
      const auto asked = static_cast<PollEvents>(request.events) & kMeanings[set].asks;
      if (asked != kMeanings[set].asks || !(request.returned & kMeanings[set].means)) continue;
      set_words(set)[descriptor / kBitsPerWord] |= uint64_t{1} << descriptor % kBitsPerWord;
      members++;
    }
  };
  TRY(requests.for_each_piece([&](std::span<PollFd> piece) -> Result<> {
    for (const PollFd& request : piece) answer(request);
    return sched::step();
  }));
  for (unsigned set = 0; set < kSets; set++)
    if (const auto user = call.pointer<uint64_t>(1 + set))
      TRY(vm::UserSpan(user, words).copy_out(set_words(set)));
  return members;
}

// Linux tells how much of the timeout is left; a restart after a stop then waits only for that. If it cannot
// be told, the call must not be restarted.
template <class Store>
CallResult with_time_left(CallResult result, Nanoseconds deadline, Store&& store) {
  if (deadline == kForever) return result;
  const bool stored = store(time_until(deadline)).has_value();
  if (!stored && !result && result.error() == Errno::RestartNoHandler) return Error(Errno::Intr);
  return result;
}

Result<Nanoseconds> load_deadline(vm::UserPtr<TimeSpec> pointer) {
  if (!pointer) return kForever;
  return deadline_after(TRY(to_nanoseconds(TRY(pointer.load()))));
}

CallResult store_time_left(CallResult result, vm::UserPtr<TimeSpec> pointer, Nanoseconds deadline) {
  if (!pointer) return result;
  return with_time_left(result, deadline, [&](Nanoseconds left) { return pointer.store(to_timespec(left)); });
}

}  // namespace

CallResult sys_poll(const Call& call) {
  const int milliseconds = call.as_int(2);
  const Nanoseconds deadline =
      milliseconds < 0 ? kForever : deadline_after(static_cast<uint64_t>(milliseconds) * kMillisecond);
  return poll_restartable(call.thread, call.args[0], call.as_unsigned(1), deadline);
}

CallResult sys_ppoll(const Call& call) {
  const auto timeout = call.pointer<TimeSpec>(2);
  const Nanoseconds deadline = TRY(load_deadline(timeout));
  const CallResult result = with_signal_mask(call.thread, call.pointer<const uint64_t>(3), call.args[4], [&] {
    return poll_user(call.process(), call.args[0], call.as_unsigned(1), deadline);
  });
  return store_time_left(result, timeout, deadline);
}

CallResult sys_select(const Call& call) {
  const auto timeout = call.pointer<TimeVal>(4);
  Nanoseconds deadline = kForever;
  if (timeout) {
    const TimeVal value = TRY(timeout.load());
    if (value.seconds < 0 || value.microseconds < 0) return Error(Errno::Inval);
    // More than a second's worth of microseconds is allowed here.
    const auto carry = value.microseconds / 1'000'000;
    deadline = deadline_after(TRY(to_nanoseconds(TimeSpec{std::min(value.seconds, INT64_MAX - carry) + carry,
                                                          value.microseconds % 1'000'000 * 1000})));
  }
  const CallResult result = select_user(call, deadline);
  if (!timeout) return result;
  return with_time_left(result, deadline, [&](Nanoseconds left) {
    return timeout.store(
        {static_cast<int64_t>(left / kSecond), static_cast<int64_t>(left % kSecond / kMicrosecond)});
  });
}

CallResult sys_pselect6(const Call& call) {
  struct MaskArgument {
    uintptr_t mask;
    size_t size;
  };
  const auto timeout = call.pointer<TimeSpec>(4);
  const Nanoseconds deadline = TRY(load_deadline(timeout));
  MaskArgument mask{};
  if (const auto pointer = call.pointer<const MaskArgument>(5)) mask = TRY(pointer.load());
  const CallResult result = with_signal_mask(call.thread, vm::UserPtr<const uint64_t>(mask.mask), mask.size,
                                             [&] { return select_user(call, deadline); });
  return store_time_left(result, timeout, deadline);
}

}  // namespace tine::abi::linux_abi
