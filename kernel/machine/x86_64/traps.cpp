// SPDX-License-Identifier: BSD-2-Clause
// What comes in through the IDT: exceptions go up as page faults or signals, or panic when the kernel itself
// is at fault; interrupts go to their handlers. Runs with interrupts off except where it says otherwise.
#include <span>

#include "base/log.h"
#include "machine/boot.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/paging.h"
#include "machine/trap_frame.h"
#include "machine/upcalls.h"
#include "machine/x86_64/apic.h"
#include "machine/x86_64/clock_device.h"
#include "machine/x86_64/debug_registers.h"
#include "machine/x86_64/layout.h"
#include "machine/x86_64/panic.h"
#include "machine/x86_64/per_cpu.h"
#include "machine/x86_64/registers.h"
#include "machine/x86_64/tlb.h"

namespace tine::machine {

// The numbers in layout.h.
static_assert(offsetof(CpuLocal, self) == 0);
static_assert(offsetof(CpuLocal, kernel_stack_top) == CPU_KERNEL_STACK_TOP);
static_assert(offsetof(CpuLocal, user_stack) == CPU_USER_STACK);
static_assert(offsetof(CpuLocal, current_thread) == 24);
static_assert(offsetof(CpuLocal, user_work) == CPU_USER_WORK);
static_assert(offsetof(CpuLocal, interrupt_stack_top) == CPU_INTERRUPT_STACK_TOP);
static_assert(offsetof(TrapFrame, orig_rax) == FRAME_ORIG_RAX);
static_assert(offsetof(TrapFrame, vector) == FRAME_VECTOR && offsetof(TrapFrame, rip) == FRAME_RIP);
static_assert(offsetof(TrapFrame, cs) == FRAME_CS && offsetof(TrapFrame, rflags) == FRAME_RFLAGS);
static_assert(sizeof(TrapFrame) == FRAME_SIZE && kSystemCallVector == SYSTEM_CALL_VECTOR);

namespace {

using upcalls::Access;
using upcalls::Exception;

enum ExceptionVector : uint64_t {
  kDivide = 0,
  kDebug = 1,
  kNmi = 2,
  kBreakpoint = 3,
  kDoubleFault = 8,
  kPageFault = 14,
  kMachineCheck = 18,
  kFirstInterrupt = FIRST_INTERRUPT
};

extern "C" const std::byte halt_after_sti[];

struct Fixup {
  uint64_t at, go_on_at;
};
extern "C" const Fixup exception_table_start[], exception_table_end[];

const Fixup* find_fixup(uint64_t rip) {
  for (const Fixup& fixup : std::span(exception_table_start, exception_table_end))
    if (fixup.at == rip) return &fixup;
  return nullptr;
}

// clang-format off
Exception kind_of(uint64_t vector) {
  switch (vector) {
    case 0: return Exception::Divide;
    case 1: return Exception::Debug;
    case 3: return Exception::Breakpoint;
    case 4: return Exception::Overflow;
    case 5: return Exception::Bound;
    case 6: return Exception::InvalidOpcode;
    case 7: return Exception::NoDevice;
    case 11: return Exception::Segment;
    case 12: return Exception::Stack;
    case 13: return Exception::GeneralProtection;
    case 14: return Exception::PageFault;
    case 16: return Exception::FloatingPoint;
    case 17: return Exception::Alignment;
    case 19: return Exception::Simd;
    default: return Exception::Other;
  }
}

const char* name_of(uint64_t vector) {
  switch (vector) {
    case 0: return "division by zero";
    case 1: return "debug exception";
    case 3: return "breakpoint";
    case 6: return "invalid instruction";
    case 8: return "double fault";
    case 12: return "stack fault";
    case 13: return "general protection fault";
    case 14: return "page fault";
    case 18: return "machine check";
    default: return "exception";
  }
}
// clang-format on

void handle_page_fault(TrapFrame& frame) {
  enum : uint64_t { kProtection = 1, kWrite = 2, kReserved = 8, kFetch = 16 };
  const uintptr_t address = read_cr2();
  const uint64_t error = frame.error_code;
  const bool protection = error & kProtection;
  const Access access = error & kFetch ? Access::Execute : error & kWrite ? Access::Write : Access::Read;
  const bool user_address = address < kUserEnd;
  if (error & kReserved) panic_at(frame, "malformed page table at address %#lx", address);

  if (frame.from_user()) {
    enable_interrupts();
    if (!user_address || !upcalls::page_fault(frame, address, access, protection))
      upcalls::user_exception(frame, Exception::PageFault, address, protection);
    return;
  }
  const Fixup* fixup = find_fixup(frame.rip);
  if (fixup == nullptr) {
    const char* verb = access == Access::Execute ? "executes" : access == Access::Write ? "writes" : "reads";
    panic_at(frame, "the kernel %s %s address %#lx", verb,
             user_address ? "user"
             : protection ? "protected"
                          : "unmapped",
             address);
  }
  if (user_address) {
    if (this_cpu().spin_depth != 0)
      panic_at(frame, "user memory access with a spinlock held, address %#lx", address);
    if (frame.rflags & kFlagInterrupts) enable_interrupts();
    const bool resolved = upcalls::page_fault(frame, address, access, protection);
    disable_interrupts();
    interrupts_go_on();   // the way back does it
    if (resolved) return;
  }
  frame.rip = fixup->go_on_at;
}

void handle_kernel_exception(TrapFrame& frame) {
  if (const Fixup* fixup = find_fixup(frame.rip)) {
    frame.rip = fixup->go_on_at;
    return;
  }
  if (frame.vector == kDoubleFault) {
    const uintptr_t address = read_cr2();
    const bool near_stack = address - (frame.rsp - kPageSize) < 2 * kPageSize;
    if (near_stack) panic_at(frame, "kernel stack overflow at %#lx", address);
  }
  panic_at(frame, "%s (vector %llu) in the kernel", name_of(frame.vector),
           static_cast<unsigned long long>(frame.vector));
}

void handle_exception(TrapFrame& frame) {
  bool watchpoint = false;
  switch (frame.vector) {
    case kNmi:
      if (panicking()) halt_machine();
      // With interrupts off this CPU may hold the log's lock.
      if (frame.rflags & kFlagInterrupts) log(LogLevel::Warning, "unexpected NMI on CPU %u", cpu_id());
      return;
    case kMachineCheck:
      panic_at(frame, "machine check");
    case kDebug:
      // A watched address that the kernel itself touches for the program goes unnoticed.
      watchpoint = take_debug_status(frame);
      if (watchpoint && !frame.from_user()) return;
      break;
  }
  if (!frame.from_user()) return handle_kernel_exception(frame);
  enable_interrupts();
  upcalls::user_exception(frame, watchpoint ? Exception::Watchpoint : kind_of(frame.vector), frame.rip, false);
}

void dispatch_interrupt(uint64_t vector) {
  switch (vector) {
    case kTimerVector:
      end_of_interrupt();
      handle_timer_vector();
      return;
    case kRescheduleVector:
      end_of_interrupt();
      upcalls::reschedule_requested();
      return;
    case kTlbVector:
      end_of_interrupt();
      serve_tlb_requests();
      return;
    case kErrorVector:
      end_of_interrupt();
      log(LogLevel::Warning, "local APIC error on CPU %u: %#x", cpu_id(), take_apic_errors());
      return;
    default:
      if (vector - kIsaVectors < 16) {
        handle_isa_vector(static_cast<unsigned>(vector - kIsaVectors));
        end_of_interrupt();
      }
      // The rest is spurious: from the masked legacy controllers or the local APIC; those want no
      // acknowledgement.
  }
}

}  // namespace

// Of an interrupt that hit in the kernel, this part runs on the CPU's interrupt stack. There is one for each CPU: handlers
// keep interrupts off, so they do not nest.
extern "C" void handle_interrupt(TrapFrame& frame) {
  DEBUG_ASSERT(!this_cpu().in_interrupt);
  interrupts_go_off();
  if (frame.rip == reinterpret_cast<uintptr_t>(halt_after_sti)) frame.rip++;   // one byte; see halt_until_interrupt
  this_cpu().in_interrupt = true;
  dispatch_interrupt(frame.vector);
  this_cpu().in_interrupt = false;
  interrupts_go_on();
  DEBUG_ASSERT(!interrupts_enabled() && interrupt_stack_is_whole(this_cpu()));
}

extern "C" void handle_trap(TrapFrame& frame) {
  if (frame.vector == kPageFault) return handle_page_fault(frame);
  if (frame.vector < kFirstInterrupt) return handle_exception(frame);
  handle_interrupt(frame);
  upcalls::interrupt_ended(frame);
}

// The frame's address is not canonical.
extern "C" void refuse_return_address(TrapFrame& frame) {
  enable_interrupts();
  upcalls::user_exception(frame, Exception::GeneralProtection, frame.rip, false);
}

void handle_timer_vector() {
  PerCpu& cpu = this_per_cpu();
  const Nanoseconds deadline = cpu.timer_deadline;
  if (deadline == kForever) return;                  // disarmed while it was on its way
  if (now() < deadline) return arm_timer(deadline);  // a little early, or the count did not reach that far
  cpu.timer_deadline = kForever;
  upcalls::timer_expired();
}

void reset_for_program(TrapFrame& frame, uintptr_t entry, uintptr_t stack) {
  frame = {};
  frame.set_not_in_system_call();
  frame.rip = entry;
  frame.cs = USER_CODE;
  frame.rflags = kFlagInterrupts | 1u << 1;  // bit 1 always reads as 1
  frame.rsp = stack;
  frame.ss = USER_DATA;
}

}  // namespace tine::machine
