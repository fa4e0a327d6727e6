// SPDX-License-Identifier: BSD-2-Clause
#include "trace/ptrace.h"

#include <algorithm>
#include <cstring>

#include "process/inspection.h"
#include "vm/address_space.h"

namespace tine::trace {

namespace {

using process::StopReason;
using process::tree_lock;
using State = Tracee::State;

Process& process_of(Tracee& tracee) { return tracee.thread->process(); }

// Runs `look` with the thread held in its stop.
template <class Look>
auto while_stopped(Tracee& tracee, Look&& look) -> decltype(look()) {
  sync::SpinGuard guard(process_of(tracee).lock);
  if (tracee.state != State::Stopped) return Error(Errno::Srch);
  return look();
}

Result<> check_signal(int signal) {
  return signal == 0 || process::is_signal(signal) ? Result<>() : Error(Errno::Io);
}

// (P)
void wake(Tracee& tracee, process::Resume how, int signal) {
  Process& process = process_of(tracee);
  tracee.state = State::Running;
  tracee.reported = true;
  tracee.resume = how;
  tracee.answer = signal;
  tracee.passes_stop = process.stop_state != process::StopState::Running;
  sched::wake(*tracee.thread);
}

// A thread that stopped with its process has something else to tell. (P)
void stop_again(Tracee& tracee) {
  wake(tracee, process::Resume::Continue, 0);
  tracee.passes_stop = false;
}

// Taken before it is asked whether the thread stands still: one that was let go of may run a set-id program by then.
Result<Ref<vm::AddressSpace>> memory_of(Tracee& tracee) {
  const process::Inspector inspector(process::current().process(), process::InspectorIds::Real);
  Ref<vm::AddressSpace> space = TRY(inspector.memory_of_traced(process_of(tracee)));
  TRY(while_stopped(tracee, [] { return Result<>(); }));
  if (!space) return Error(Errno::Srch);
  return space;
}

}  // namespace

Result<Ref<Tracee>> find_tracee(const Process& tracer, PidNumber id) {
  const Ref<Thread> thread = process::find_thread(id);
  if (thread == nullptr) return Error(Errno::Srch);
  sync::SpinGuard guard(tree_lock);
  if (thread->tracee == nullptr || thread->tracee->tracer != &tracer) return Error(Errno::Srch);
  return thread->tracee;
}

Result<> resume(Tracee& tracee, process::Resume how, int signal) {
  TRY(check_signal(signal));
  return while_stopped(tracee, [&]() -> Result<> {
    wake(tracee, how, signal);
    return {};
  });
}

Result<> detach(Tracee& tracee, int signal) {
  TRY(check_signal(signal));
  Ref<Tracee> gone;   // released after the lock
  sync::SpinGuard guard(tree_lock);
  if (tracee.thread->tracee != &tracee) return Error(Errno::Srch);
  TRY(while_stopped(tracee, [&]() -> Result<> {
    tracee.answer = signal;
    return {};
  }));
  gone = process::unlink(tracee);
  return {};
}

Result<> interrupt(Tracee& tracee) {
  Thread& thread = *tracee.thread;
  sync::SpinGuard guard(thread.process().lock);
  if (!tracee.seized) return Error(Errno::Io);
  tracee.interrupt_wanted = true;
  if (tracee.state == State::Listening) stop_again(tracee);
  thread.request_work(sched::kWorkSignal);
  sched::interrupt(thread);
  return {};
}

Result<> listen(Tracee& tracee) {
  return while_stopped(tracee, [&]() -> Result<> {
    const bool with_process = tracee.stop.reason == StopReason::Group || tracee.stop.event == process::TraceEvent::Stop;
    if (!tracee.seized || !with_process) return Error(Errno::Io);
    tracee.state = State::Listening;
    if (tracee.continue_untold) stop_again(tracee);
    return {};
  });
}

void kill(Tracee& tracee) { process::send_signal(process_of(tracee), process::kernel_signal(process::kSigKill)); }

Result<size_t> read_memory(Tracee& tracee, uintptr_t address, std::span<std::byte> into, vm::Reach reach) {
  const auto read = TRY(memory_of(tracee))->read_memory(address, into, reach);
  return read ? read : Error(Errno::Io);
}

Result<size_t> write_memory(Tracee& tracee, uintptr_t address, std::span<const std::byte> from) {
  const auto written = TRY(memory_of(tracee))->write_memory(address, from, vm::Reach::Override);
  return written || written.error() == Errno::NoMem ? written : Error(Errno::Io);
}

Result<machine::UserRegisters> registers(Tracee& tracee) {
  return while_stopped(tracee, [&]() -> Result<machine::UserRegisters> {
    return machine::read_registers(tracee.thread->frame(), tracee.user_state);
  });
}

Result<> set_registers(Tracee& tracee, const machine::UserRegisters& registers) {
  return while_stopped(tracee, [&]() -> Result<> {
    if (!machine::write_registers(tracee.thread->frame(), tracee.user_state, registers)) return Error(Errno::Io);
    tracee.state_changed = true;
    return {};
  });
}

Result<uint64_t> debug_register(Tracee& tracee, unsigned number) {
  return while_stopped(tracee, [&]() -> Result<uint64_t> {
    uint64_t value;
    if (!machine::read_debug_register(tracee.user_state, number, value)) return Error(Errno::Io);
    return value;
  });
}

Result<> set_debug_register(Tracee& tracee, unsigned number, uint64_t value) {
  return while_stopped(tracee, [&]() -> Result<> {
    if (!machine::write_debug_register(tracee.user_state, number, value)) return Error(Errno::Inval);
    tracee.state_changed = true;
    return {};
  });
}

Result<mem::Buffer<std::byte>> extended_state(Tracee& tracee, size_t size) {
  auto view = TRY(mem::Buffer<std::byte>::make(size));
  TRY(while_stopped(tracee, [&]() -> Result<> {
    const bool changed = !tracee.extended_state.empty();
    const std::span<const std::byte> image =
        changed ? tracee.extended_state.span() : machine::extended_state(tracee.thread->stack_top());
    machine::read_extended_state(image, view.span());
    return {};
  }));
  return view;
}

Result<> set_extended_state(Tracee& tracee, std::span<const std::byte> view) {
  auto changed = TRY(mem::Buffer<std::byte>::make(machine::extended_state_size()));
  return while_stopped(tracee, [&]() -> Result<> {
    const bool again = !tracee.extended_state.empty();
    const std::span<const std::byte> image =
        again ? tracee.extended_state.span() : machine::extended_state(tracee.thread->stack_top());
    std::memcpy(changed.data(), image.data(), image.size());
    if (!machine::write_extended_state(changed.span(), view)) return Error(Errno::Inval);
    tracee.extended_state = std::move(changed);   // which now holds what is released
    return {};
  });
}

Result<SignalInfo> signal_info(Tracee& tracee) {
  return while_stopped(tracee, [&]() -> Result<SignalInfo> {
    if (tracee.stop.reason == StopReason::Group && !tracee.seized) return Error(Errno::Inval);
    return tracee.stop.info;
  });
}

Result<> set_signal_info(Tracee& tracee, const SignalInfo& info) {
  return while_stopped(tracee, [&]() -> Result<> {
    if (tracee.stop.reason == StopReason::Group && !tracee.seized) return Error(Errno::Inval);
    tracee.stop.info = info;
    return {};
  });
}

Result<SignalSet> signal_mask(Tracee& tracee) {
  return while_stopped(tracee, [&]() -> Result<SignalSet> {
    return tracee.thread->restore_saved_mask ? tracee.thread->saved_mask : tracee.thread->mask;
  });
}

// The thread looks again at what is pending when it goes on.
Result<> set_signal_mask(Tracee& tracee, SignalSet mask) {
  return while_stopped(tracee, [&]() -> Result<> {
    tracee.thread->restore_saved_mask = false;
    tracee.thread->mask = mask & ~process::kUnblockable;
    return {};
  });
}

Result<> set_options(Tracee& tracee, uint32_t options) {
  return while_stopped(tracee, [&]() -> Result<> {
    tracee.options = options;
    return {};
  });
}

Result<uint64_t> event_message(Tracee& tracee) {
  return while_stopped(tracee, [&]() -> Result<uint64_t> { return tracee.stop.message; });
}

Result<CallInfo> call_info(Tracee& tracee) {
  return while_stopped(tracee, [&]() -> Result<CallInfo> {
    // Only a stop that is told from SIGTRAP is known to be a system call's.
    const StopReason reason = tracee.stop_code & 0x80 ? tracee.stop.reason : StopReason::Event;
    return CallInfo{reason, machine::read_registers(tracee.thread->frame(), tracee.user_state)};
  });
}

}  // namespace tine::trace
