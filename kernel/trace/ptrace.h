// SPDX-License-Identifier: BSD-2-Clause
// What a tracer asks of a thread that it traces and that is stopped: to look into it, to change it, to let it go on. The
// personalities decode their requests into these. How threads come to be traced and stop is process/tracing.h.
// Rule: what belongs to the thread is touched under its Process::lock only, and only while it is stopped: it needs the
// lock to go on. Source: ptrace(2). Seed rows T7, T9.
#pragma once

#include <span>

#include "machine/user_registers.h"
#include "mem/buffer.h"
#include "process/tracing.h"
#include "vm/address_space.h"

namespace tine::trace {

using process::PidNumber;
using process::Process;
using process::SignalInfo;
using process::SignalSet;
using process::Thread;
using process::Tracee;

// The thread with this id, if `tracer` traces it; stopped or not. Srch.
Result<Ref<Tracee>> find_tracee(const Process& tracer, PidNumber id);

// All of the following say Srch when the thread is not stopped.

// --- Going on ---
// `signal`: what the thread shall act on instead of what it stopped for; 0: nothing. Io when it is no signal.
Result<> resume(Tracee& tracee, process::Resume how, int signal);
Result<> detach(Tracee& tracee, int signal);
Result<> interrupt(Tracee& tracee);            // stopped or not; Io if it was not seized
Result<> listen(Tracee& tracee);               // Io when it has not stopped with its process
void kill(Tracee& tracee);                     // stopped or not

// --- Processes that are traced as a whole (the BSD form) ---
// Of a process that `tracer` traces so: the thread that has stopped for it; or a thread by its id. Srch.
Result<Ref<Tracee>> find_traced_process(const Process& tracer, PidNumber id);
// All its threads go on; `tracee`, with `signal`, as `how` says.
Result<> resume_process(Tracee& tracee, process::Resume how, int signal);
Result<> detach_process(Tracee& tracee, int signal);
Result<> set_options_of_process(Tracee& tracee, uint32_t options);
Result<uint32_t> options(Tracee& tracee);
struct EventInfo {
  process::TraceEvent event;
  uint64_t message;
};
Result<EventInfo> event_info(Tracee& tracee);
// The id of the thread with the lowest one above `after`; -1: none.
Result<PidNumber> next_thread(Tracee& tracee, PidNumber after);

// --- Looking and changing ---
// Memory; writing also where the program may not. Io when nothing can be reached there; fewer bytes at the edge of it.
Result<size_t> read_memory(Tracee& tracee, uintptr_t address, std::span<std::byte> into, vm::Reach reach);
Result<size_t> write_memory(Tracee& tracee, uintptr_t address, std::span<const std::byte> from);

Result<machine::UserRegisters> registers(Tracee& tracee);
Result<> set_registers(Tracee& tracee, const machine::UserRegisters& registers);   // Io: a value that cannot be
Result<uint64_t> debug_register(Tracee& tracee, unsigned number);                  // Io: there is none
Result<> set_debug_register(Tracee& tracee, unsigned number, uint64_t value);      // Inval: not for programs
// The x87 and vector registers, as machine/user_registers.h says. `size`: kFxSaveSize or extended_view_size().
Result<mem::Buffer<std::byte>> extended_state(Tracee& tracee, size_t size);
Result<> set_extended_state(Tracee& tracee, std::span<const std::byte> view);      // Inval

Result<SignalInfo> signal_info(Tracee& tracee);                                    // Inval when it stopped for none
Result<> set_signal_info(Tracee& tracee, const SignalInfo& info);
Result<SignalSet> signal_mask(Tracee& tracee);
Result<> set_signal_mask(Tracee& tracee, SignalSet mask);
Result<> set_options(Tracee& tracee, uint32_t options);
Result<uint64_t> event_message(Tracee& tracee);

// Of the system call at which the thread stands.
struct CallInfo {
  process::StopReason reason;    // CallEntry and CallExit; others: no system call
  machine::UserRegisters registers;
};
Result<CallInfo> call_info(Tracee& tracee);

}  // namespace tine::trace
