// SPDX-License-Identifier: BSD-2-Clause
// Robust lists and clear_child_tid.
#include "event/robust_list.h"

#include <utility>

#include "event/futex.h"
#include "event/futex_pi.h"
#include "event/user_word.h"
#include "process/process.h"
#include "process/thread.h"

namespace tine::event {
namespace {

constexpr unsigned kMostEntries = 2048;
constexpr uintptr_t kPiBit = 1;  // in a list pointer: the futex has an owner known to the kernel (futex_pi.h)

// struct robust_list_head
struct Head {
  uintptr_t first;       // the list ends where it points back to the head
  int64_t futex_offset;  // from an entry to its futex
  uintptr_t pending;     // entry that is being linked or unlinked right now; 0: none
};

// A futex word of a dead thread. Not the thread's: left alone. Errors: Fault, Inval.
Result<> mark_owner_died(uintptr_t address, bool pi, bool pending, uint32_t id) {
  uint32_t word = TRY(load_word(address));
  const FutexKey key = TRY(FutexKey::of(address, FutexKey::Scope::Shared));
  // The thread died between giving the futex up and waking a waiter.
  if (pending && !pi && word == 0) {
    futex_wake(key, 1);
    return {};
  }
  while (true) {
    if ((word & kFutexTidMask) != id) return {};
    const uint32_t seen = TRY(compare_exchange_word(address, word, (word & kFutexWaiters) | kFutexOwnerDied));
    if (seen == word) break;
    word = seen;
  }
  if (pi) {
    futex_owner_died_pi(key);
  } else if (word & kFutexWaiters) {
    futex_wake(key, 1);
  }
  return {};
}

Result<> walk(uintptr_t head_address, uint32_t id) {
  const Head head = TRY(vm::UserPtr<const Head>(head_address).load());
  const auto futex_of = [&](uintptr_t entry) {
    return (entry & ~kPiBit) + static_cast<uintptr_t>(head.futex_offset);
  };
  const uintptr_t pending = head.pending & ~kPiBit;

  uintptr_t entry = head.first;
  for (unsigned i = 0; (entry & ~kPiBit) != head_address && i < kMostEntries; i++) {
    // Read before the futex is released: its new owner may relink the entry.
    const auto next = vm::UserPtr<const uintptr_t>(entry & ~kPiBit).load();
    if ((entry & ~kPiBit) != pending) TRY(mark_owner_died(futex_of(entry), entry & kPiBit, false, id));
    if (!next) break;
    entry = *next;
  }
  if (pending != 0) TRY(mark_owner_died(futex_of(head.pending), head.pending & kPiBit, true, id));
  return {};
}

}  // namespace

void release_robust_list(process::Thread& thread) {
  const uintptr_t head = std::exchange(thread.robust_list, 0);
  if (head == 0 || thread.process().own_address_space() == nullptr) return;
  // A fault ends the walk: nobody else can repair the list.
  static_cast<void>(walk(head, static_cast<uint32_t>(thread.shown_id())));
}

void clear_child_tid(process::Thread& thread) {
  const uintptr_t address = std::exchange(thread.clear_child_tid, 0);
  if (address == 0 || thread.process().own_address_space() == nullptr) return;
  if (!vm::UserPtr<uint32_t>(address).store(0)) return;
  if (const auto key = FutexKey::of(address, FutexKey::Scope::Shared)) futex_wake(*key, 1);
}

}  // namespace tine::event
