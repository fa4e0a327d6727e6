// SPDX-License-Identifier: BSD-2-Clause
#include "process/restrictions.h"

#include "file/veil.h"
#include "process/pins.h"
#include "process/process.h"
#include "process/thread.h"

namespace tine::process {

namespace {

constexpr uint32_t kPinFlags = kPinned | kLibcPinned;

bool adds_to(Promises held, Promises wanted) { return (wanted & ~held) != 0; }

void watch_all_threads(Process& process) REQUIRES(process.lock) {
  for (Thread& thread : process.threads) thread.call_watch.fetch_or(restriction_watch(process));
}

}  // namespace

// --- pledge(2) ---

Result<> pledge(Process& process, const PledgeRequest& request) {
  Restrictions& now = process.restrictions;
  sync::SpinGuard guard(process.lock);
  std::optional<Promises> promises = request.promises;
  if (promises && process.has(kPledged)) {
    const Promises held = now.promises.load();
    if (held & promise::kError) *promises &= held;   // who is told of violations is not told of this one
    if (adds_to(held, *promises)) return Error(Errno::Perm);
  }
  if (request.exec_promises && process.has(kExecPledged) && adds_to(now.exec_promises.load(), *request.exec_promises))
    return Error(Errno::Perm);

  if (promises) {
    now.promises.store(*promises);
    process.set(kPledged);
    watch_all_threads(process);
  }
  if (request.exec_promises) {
    now.exec_promises.store(*request.exec_promises);
    process.set(kExecPledged);
  }
  return {};
}

Result<> require_promise(Thread& caller, Promises any) {
  const Process& process = caller.process();
  if (!process.has(kPledged) || process.restrictions.promises.load() & any) return {};
  caller.violation = any;
  return Error(Errno::Perm);
}

// --- unveil(2) ---

Ref<const file::Veil> veil_of(const Process& process) {
  sync::SpinGuard guard(process.lock);
  return process.restrictions.veil;
}

Result<> unveil(Process& process, const Ref<const file::VeilRule>& rule) {
  Restrictions& restrictions = process.restrictions;
  while (true) {
    Ref<const file::Veil> old = veil_of(process);
    Ref<const file::Veil> next = TRY(file::Veil::with(old.get(), rule));
    sync::SpinGuard guard(process.lock);
    if (restrictions.veil_locked) return Error(Errno::Perm);
    if (restrictions.veil != old) continue;   // another thread was faster
    restrictions.veil.swap(next);             // `old` keeps the one before until the lock is free
    watch_all_threads(process);
    return {};
  }
}

Result<> lock_veil(Process& process) {
  sync::SpinGuard guard(process.lock);
  if (process.restrictions.veil_locked) return Error(Errno::Perm);
  process.restrictions.veil_locked = true;
  return {};
}

// --- pinsyscalls(2) ---

Result<> pin_libc(Process& process, Ref<const PinTable> pins) {
  sync::SpinGuard guard(process.lock);
  if (process.has(kLibcPinned)) return Error(Errno::Perm);
  process.restrictions.libc_pins.swap(pins);
  process.set(kLibcPinned);   // after the table, which is read without the lock
  watch_all_threads(process);
  return {};
}

bool may_call_from(const Process& process, uint64_t number, uintptr_t address) {
  const Restrictions& restrictions = process.restrictions;
  if (process.has(kPinned) && restrictions.program_pins->allows(number, address)) return true;
  return process.has(kLibcPinned) && restrictions.libc_pins->allows(number, address);
}

// --- Life ---

uint32_t inherit_restrictions(const Process& parent, Process& child) {
  const Restrictions& from = parent.restrictions;
  Restrictions& to = child.restrictions;
  sync::SpinGuard guard(parent.lock);
  to.promises.store(from.promises.load());
  to.exec_promises.store(from.exec_promises.load());
  to.veil = from.veil;
  to.veil_locked = from.veil_locked;
  to.program_pins = from.program_pins;
  to.libc_pins = from.libc_pins;
  return parent.flags.load() & (kInheritedFlags | kInheritedByLinux | kPinFlags);
}

uint32_t restriction_watch(const Process& process) {
  const bool restricted = process.has(kPledged) || process.restrictions.veil != nullptr;
  const bool pinned = process.flags.load() & kPinFlags;
  return (restricted ? kWatchedByPledge : 0) | (pinned ? kWatchedByPins : 0);
}

void restrict_new_program(Thread& caller, Ref<const PinTable> pins) {
  Process& process = caller.process();
  Restrictions& restrictions = process.restrictions;
  Ref<const PinTable> libc_pins;
  Ref<const file::Veil> veil;   // let go of after the lock
  sync::SpinGuard guard(process.lock);
  if (process.has(kExecPledged)) {
    restrictions.promises.store(restrictions.exec_promises.load());
    process.set(kPledged);
  } else {
    process.clear(kPledged);
    restrictions.promises.store(0);
    restrictions.veil.swap(veil);
    restrictions.veil_locked = false;
  }
  restrictions.program_pins.swap(pins);
  restrictions.libc_pins.swap(libc_pins);
  process.clear(kLibcPinned);
  restrictions.program_pins != nullptr ? process.set(kPinned) : process.clear(kPinned);
  caller.call_watch.fetch_and(~uint32_t{kWatchedByPledge | kWatchedByPins});
  caller.call_watch.fetch_or(restriction_watch(process));
}

void release_restrictions(Process& process) {
  Ref<const file::Veil> veil;
  sync::SpinGuard guard(process.lock);
  process.restrictions.veil.swap(veil);
}

}  // namespace tine::process
