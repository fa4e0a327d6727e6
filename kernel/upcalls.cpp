// SPDX-License-Identifier: BSD-2-Clause
// Binds the machine's upcalls to the layers above: what happens on a fault, a system call, an exception, a tick.
#include "machine/upcalls.h"

#include "abi/linux/dispatch.h"
#include "abi/linux/table.h"
#include "base/log.h"
#include "process/exit.h"
#include "process/out_of_memory.h"
#include "process/process.h"
#include "process/profile.h"
#include "process/signal.h"
#include "process/thread.h"
#include "sched/scheduler.h"

namespace tine::machine::upcalls {

namespace {

using process::Thread;

struct FaultSignal {
  int signal;
  int code;
};

// The signal for an exception. Source: Linux's arch/x86 traps as sigaction(2) documents their codes.
FaultSignal signal_for(Exception kind, bool protection) {
  switch (kind) {
    case Exception::Divide: return {process::kSigFpe, 1};            // FPE_INTDIV
    case Exception::Overflow: return {process::kSigSegv, 0x80};
    case Exception::Bound: return {process::kSigSegv, 0x80};
    case Exception::FloatingPoint:
    case Exception::Simd: return {process::kSigFpe, 7};              // FPE_FLTINV, the usual one
    case Exception::Debug: return {process::kSigTrap, 2};            // TRAP_TRACE
    case Exception::Watchpoint: return {process::kSigTrap, 4};       // TRAP_HWBKPT
    case Exception::Breakpoint: return {process::kSigTrap, 0x80};
    case Exception::InvalidOpcode: return {process::kSigIll, 2};     // ILL_ILLOPN
    case Exception::Stack:
    case Exception::Alignment: return {process::kSigBus, 1};         // BUS_ADRALN
    case Exception::PageFault: return {process::kSigSegv, protection ? 2 : 1};   // SEGV_ACCERR, SEGV_MAPERR
    case Exception::NoDevice:
    case Exception::Segment:
    case Exception::GeneralProtection:
    case Exception::Other: return {process::kSigSegv, 0x80};         // SI_KERNEL
  }
  return {process::kSigSegv, 0x80};
}

vm::Access access_kind(Access access) {
  switch (access) {
    case Access::Read: return vm::Access::Read;
    case Access::Write: return vm::Access::Write;
    case Access::Execute: return vm::Access::Execute;
  }
  return vm::Access::Read;
}

void send_fault(Thread& thread, int signal, int code, uintptr_t address) {
  process::SignalInfo info;
  info.signal = signal;
  info.code = code;
  info.fault.address = address;
  process::force_signal(thread, info);
}

void kill_out_of_memory(Thread& thread) {
  if (thread.exiting) return;
  log(LogLevel::Warning, "out of memory: process %d (%s) is killed\n", thread.process().pid(), thread.name);
  process::begin_exit(thread.process(), process::signal_status(process::kSigKill, false));
}

// Time in the kernel between user mode and user mode. `what` null: within another. A release kernel does not even ask for the
// running thread.
class KernelStretch {
 public:
  explicit KernelStretch(const char* what) : what_(what) {
    if (TINE_DEBUG && what_ != nullptr) process::current().kernel_time.begin();
  }
  ~KernelStretch() {
    if (TINE_DEBUG && what_ != nullptr) process::current().kernel_time.end(what_);
  }
  KernelStretch(const KernelStretch&) = delete;
  KernelStretch& operator=(const KernelStretch&) = delete;

 private:
  const char* const what_;
};

}  // namespace

bool page_fault(TrapFrame& frame, uintptr_t address, Access access, bool) {
  if (current_thread() == nullptr) return false;
  Thread& thread = process::current();
  const KernelStretch stretch(frame.from_user() ? "a page fault" : nullptr);
  vm::AddressSpace* space = thread.process().own_address_space();
  if (space == nullptr) return false;
  ++thread.minor_faults;
  vm::FaultResult result = space->handle_fault(address, access_kind(access));
  while (result == vm::FaultResult::OutOfMemory && process::make_room(thread))
    result = space->handle_fault(address, access_kind(access));
  switch (result) {
    case vm::FaultResult::Resolved: return true;
    case vm::FaultResult::OutOfMemory:
      // A system call that meets it in user memory says EFAULT.
      if (frame.from_user()) kill_out_of_memory(thread);
      return frame.from_user();   // the kill is taken on the way back to user mode
    case vm::FaultResult::NoMapping:
      if (frame.from_user()) send_fault(thread, process::kSigSegv, 1, address);
      return frame.from_user();
    case vm::FaultResult::NoPermission:
      if (frame.from_user()) send_fault(thread, process::kSigSegv, 2, address);
      return frame.from_user();
    case vm::FaultResult::BusError:
      if (frame.from_user()) send_fault(thread, process::kSigBus, 2, address);   // BUS_ADRERR
      return frame.from_user();
  }
  return false;
}

void user_exception(TrapFrame& frame, Exception kind, uintptr_t address, bool protection) {
  const KernelStretch stretch("an exception");
  const FaultSignal fault = signal_for(kind, protection);
  const bool has_address = kind == Exception::PageFault;
  send_fault(process::current(), fault.signal, fault.code, has_address ? address : frame.instruction_pointer());
}

void system_call(TrapFrame& frame) {
  const char* const what = TINE_DEBUG ? abi::linux_abi::system_call_name(frame.system_call_number()) : nullptr;
  const KernelStretch stretch(what);
  abi::linux_abi::dispatch(frame);
}

void timer_expired() { sched::on_timer_expired(); }
void reschedule_requested() { sched::on_reschedule_requested(); }
// User mode is preempted by the work word, the kernel never.
void interrupt_ended(TrapFrame& frame) { sched::on_interrupt_ended(frame.from_user()); }
[[noreturn]] void cpu_started() { sched::on_cpu_started(); }

void return_to_user(TrapFrame&) {
  Thread& thread = process::current();
  const KernelStretch stretch("the way back to user mode");
  while (const uint32_t work = thread.user_work.load(std::memory_order_acquire)) {
    enable_interrupts();
    if (work & sched::kWorkReschedule) sched::maybe_yield();
    if (work & process::kWorkProfile) process::add_profile_ticks(thread);
    if (work & sched::kWorkSignal) process::handle_signals(thread);
    if (work & sched::kWorkTrace) thread.clear_work(sched::kWorkTrace);   // it only asked for the way through here
    disable_interrupts();
  }
  interrupts_go_on();   // the return does it
}

}  // namespace tine::machine::upcalls
