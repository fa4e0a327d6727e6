// SPDX-License-Identifier: BSD-2-Clause
// What a process has given up: by pledge(2), unveil(2) and pinsyscalls(2). Children inherit all of it in constant time,
// exec replaces it. Which call needs which promise is the business of abi/; what a call needs that its number and
// registers do not tell is asked for where the call comes to it (require_promise). Source: OpenBSD's manual, section 2.
// Seed rows C6, C8, C9, C10.
// Lock: Process::lock guards changes and copies. A process's own threads read promises and pins without it: a table of
// pins is set once and goes only when no other thread runs.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/ref.h"
#include "process/promises.h"

namespace tine::file {
class Veil;
struct VeilRule;
}

namespace tine::process {

class PinTable;
class Process;
class Thread;

struct Restrictions {
  std::atomic<Promises> promises{0};        // with kPledged
  std::atomic<Promises> exec_promises{0};   // with kExecPledged: the next program's
  Ref<const file::Veil> veil;               // null: everything is in sight
  bool veil_locked = false;
  Ref<const PinTable> program_pins;         // with kPinned
  Ref<const PinTable> libc_pins;            // with kLibcPinned
};

// --- pledge(2) ---

struct PledgeRequest {
  std::optional<Promises> promises, exec_promises;   // none: stays as it is
};
// Perm when something would be promised that has been given up. Binds all threads from their next system call on.
Result<> pledge(Process& process, const PledgeRequest& request);

// The running thread's call is about to do what one of `any` covers. Perm if its process has promised to do none of
// that; then the call is a violation, which is dealt with when it returns (abi/linux/restricted.h): nothing may have
// happened yet.
Result<> require_promise(Thread& caller, Promises any);

// --- unveil(2) ---

// What the process can still see; null: everything.
Ref<const file::Veil> veil_of(const Process& process);
// Leaves in sight what has been unveiled before, and `rule`. Perm after lock_veil; TooBig, NoMem.
Result<> unveil(Process& process, const Ref<const file::VeilRule>& rule);
Result<> lock_veil(Process& process);   // Perm: it is locked already

// --- pinsyscalls(2) ---

// The calls of the C library. Perm when it has been told before.
Result<> pin_libc(Process& process, Ref<const PinTable> pins);
// May the process make this call from `address`?
bool may_call_from(const Process& process, uint64_t number, uintptr_t address);

// --- Life ---

// Fork: gives the child what the parent has. Returns those of the parent's flags that are inherited.
uint32_t inherit_restrictions(const Process& parent, Process& child);
// The bits of Thread::call_watch that the threads of `process` have to have.
uint32_t restriction_watch(const Process& process);
// Exec, when the caller is the only thread: execpromises become promises. Without them everything is allowed and in
// sight again. `pins` are the new program's, null if it has none.
void restrict_new_program(Thread& caller, Ref<const PinTable> pins);
// Exit: what a zombie does not need.
void release_restrictions(Process& process);

}  // namespace tine::process
