// SPDX-License-Identifier: BSD-2-Clause
// The end of the kernel: one CPU tells what happened, the others stop, and the machine powers off with a
// status that says failure. Works with any lock held and in any context; a panic in a panic just powers off.
#include "machine/x86_64/panic.h"

#include <atomic>
#include <cstdarg>

#include "base/assert.h"
#include "base/format.h"
#include "base/log.h"
#include "machine/boot.h"
#include "machine/cpu.h"
#include "machine/raw_lock.h"
#include "machine/x86_64/address_layout.h"
#include "machine/x86_64/apic.h"
#include "machine/x86_64/registers.h"

namespace tine::machine {

namespace {

constexpr int kPanicStatus = 255;

constinit std::atomic<bool> panic_started{false};
constinit DescribeThread describe_thread = nullptr;

using Number = unsigned long long;

void log_registers(const TrapFrame& f) {
  const auto say = [](const char* names, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    log(LogLevel::Error, names, static_cast<Number>(a), static_cast<Number>(b), static_cast<Number>(c),
        static_cast<Number>(d));
  };
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wformat-nonliteral"
  say("  rip %016llx  rsp %016llx  rbp %016llx  rflags %08llx", f.rip, f.rsp, f.rbp, f.rflags);
  say("  rax %016llx  rbx %016llx  rcx %016llx  rdx %016llx", f.rax, f.rbx, f.rcx, f.rdx);
  say("  rsi %016llx  rdi %016llx  r8  %016llx  r9  %016llx", f.rsi, f.rdi, f.r8, f.r9);
  say("  r10 %016llx  r11 %016llx  r12 %016llx  r13 %016llx", f.r10, f.r11, f.r12, f.r13);
  say("  r14 %016llx  r15 %016llx  cr2 %016llx  cr3 %016llx", f.r14, f.r15, read_cr2(), read_cr3());
#pragma clang diagnostic pop
  log(LogLevel::Error, "  cs %llx  ss %llx  vector %lld  error code %llx", static_cast<Number>(f.cs),
      static_cast<Number>(f.ss), static_cast<long long>(f.vector), static_cast<Number>(f.error_code));
}

[[noreturn]] void die(const TrapFrame* frame, uintptr_t frame_pointer, const char* message,
                      va_list arguments) {
  disable_interrupts();
  static constinit std::atomic<uint32_t> panicking_cpu{~uint32_t{0}};
  uint32_t nobody = ~uint32_t{0};
  if (!panicking_cpu.compare_exchange_strong(nobody, cpu_id())) {
    if (nobody == cpu_id()) power_off(kPanicStatus);  // a panic while panicking
    halt_machine();
  }
  panic_started.store(true);
  if (cpu_count() > 1) send_nmi_to_others();
  set_console_log_level(LogLevel::Info);

  char text[256];
  const std::string_view what = format_v(text, message, arguments);
  log(LogLevel::Error, "PANIC on CPU %u: %.*s", cpu_id(), static_cast<int>(what.size()), what.data());
  if (kernel_offset() != 0)
    log(LogLevel::Error, "  the kernel lies %#lx above its linked address", kernel_offset());
  if (const void* thread = current_thread(); thread != nullptr && describe_thread != nullptr) {
    char name[96];
    const std::string_view who = describe_thread(thread, name);
    log(LogLevel::Error, "  in %.*s", static_cast<int>(who.size()), who.data());
  }
  if (frame != nullptr) {
    log_registers(*frame);
    if (!frame->from_user()) log_code_address(frame->rip);
  }
  log_backtrace_from(frame_pointer);
  power_off(kPanicStatus);
}

}  // namespace

bool panicking() { return panic_started.load(std::memory_order_relaxed); }
void set_thread_describer(DescribeThread describe) { describe_thread = describe; }

void panic_at(const TrapFrame& frame, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  die(&frame, frame.rbp, format, arguments);
}

void RawLock::lock() {
  constexpr unsigned kPatienceInPanic = 1'000'000;
  push_interrupts_off();
  for (unsigned spins = 0; held_.exchange(true, std::memory_order_acquire); spins++) {
    if (panicking() && spins > kPatienceInPanic) return;
    spin_pause();
  }
}

void RawLock::unlock() {
  held_.store(false, std::memory_order_release);
  pop_interrupts_off();
}

}  // namespace tine::machine

namespace tine {

void panic(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  machine::die(nullptr, reinterpret_cast<uintptr_t>(__builtin_frame_address(0)), format, arguments);
}

void assertion_failed(const char* expression, const char* file, int line) {
  panic("assertion failed: %s (%s:%d)", expression, file, line);
}

}  // namespace tine
