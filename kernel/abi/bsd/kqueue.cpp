// SPDX-License-Identifier: BSD-2-Clause
// kqueue(2), kevent(2): the change list first, then the wait.
#include "abi/bsd/kqueue.h"

#include "abi/linux/descriptors.h"
#include "abi/linux/timespec.h"
#include "event/kqueue.h"
#include "sched/scheduler.h"

namespace tine::abi::bsd {

using event::Kevent;
using event::KqueueFile;

CallResult sys_kqueue(const Call& call) {
  const unsigned flags = call.as_unsigned(0);
  if (flags & ~(file::kCloseOnExec | file::kNonBlock)) return Error(Errno::Inval);
  TRY(file::File::check_room());
  auto queue = TRY(mem::make_ref<event::Kqueue>());
  auto file = TRY(mem::make_ref<KqueueFile>(std::move(queue), call.process()));
  return linux_abi::install_file(call, std::move(file), flags & file::kCloseOnExec);
}

namespace {

constexpr size_t kLookForSignalsEvery = 4096;

// Applies the changes in order. Those that fail, or ask for a receipt, become events with EV_ERROR as long as there is
// room; how many. Without room the first error ends the call.
Result<unsigned> apply_changes(event::Kqueue& queue, vm::UserSpan<const Kevent> changes, vm::UserSpan<Kevent> events) {
  unsigned stored = 0;
  for (size_t i = 0; i < changes.size(); i++) {
    sched::maybe_yield();   // a list may be as long as memory
    if (i % kLookForSignalsEvery == kLookForSignalsEvery - 1 && sched::interrupt_pending()) return Error(Errno::Intr);
    Kevent change = TRY(changes[i].load());
    const Result<> applied = queue.apply(change);
    if (applied && !(change.flags & event::kEventReceipt)) continue;
    if (stored == events.size()) {
      if (!applied) return Error(applied.error());
      continue;
    }
    change.flags = event::kEventError;
    change.data = applied ? 0 : static_cast<int64_t>(applied.error());
    TRY(events[stored].store(change));
    stored++;
  }
  return stored;
}

}  // namespace

// kevent(kq, changes, change count, events, event count, timeout)
CallResult sys_kevent(const Call& call) {
  const int change_count = call.as_int(2), event_count = call.as_int(4);
  if (change_count < 0 || event_count < 0) return Error(Errno::Inval);
  Nanoseconds deadline = kForever;
  if (call.args[5] != 0) {
    const auto timeout = TRY(call.pointer<const linux_abi::TimeSpec>(5).load());
    deadline = linux_abi::deadline_after(TRY(linux_abi::to_nanoseconds(timeout)));
  }
  const auto file = TRY(linux_abi::get_file(call, call.as_int(0)));
  auto* kqueue = file::file_cast<KqueueFile>(*file);
  if (kqueue == nullptr || !kqueue->usable_by(call.process())) return Error(Errno::BadF);

  const vm::UserSpan<const Kevent> changes(call.args[1], static_cast<size_t>(change_count));
  const vm::UserSpan<Kevent> events(call.args[3], static_cast<size_t>(event_count));
  if (const unsigned stored = TRY(apply_changes(kqueue->queue(), changes, events))) return stored;
  if (event_count == 0) return 0;
  return TRY(kqueue->queue().wait(call.args[3], static_cast<unsigned>(event_count), deadline));
}

}  // namespace tine::abi::bsd
