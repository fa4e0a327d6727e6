// SPDX-License-Identifier: BSD-2-Clause
// This CPU: who it is, its interrupt flag, and the few words of state that it keeps at the base of its GS segment.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/assert.h"
#include "base/units.h"

namespace tine::machine {

inline constexpr unsigned kMaxCpus = 16;
inline constexpr size_t kCacheLine = 64;
inline constexpr size_t kInterruptStackSize = 8_KiB;

// One per CPU, at GS:0 while in the kernel. Assembly knows the offsets of the first six members.
struct alignas(kCacheLine) CpuLocal {
  CpuLocal* self;               // GS:0
  uintptr_t kernel_stack_top;   // GS:8, where system calls start
  uintptr_t user_stack;         // GS:16, scratch during system-call entry
  void* current_thread;         // GS:24, sched::Thread
  std::atomic<uint32_t>* user_work;  // GS:32, the current thread's word, see set_current_thread
  uintptr_t interrupt_stack_top;  // GS:40, where handlers of interrupts that hit in the kernel start
  uint32_t id;
  uint32_t spin_depth;          // spinlocks held + InterruptGuards; interrupts are off while it is not 0
  bool interrupts_were_on;      // state to go back to when spin_depth returns to 0
  bool in_interrupt;            // handling a device, timer or IPI interrupt
#if TINE_DEBUG
  Nanoseconds interrupts_off_since;   // 0: they are on; see latency.h
  uintptr_t interrupts_off_at;
#endif
};

inline CpuLocal& this_cpu() {
  CpuLocal* cpu;
  asm volatile("movq %%gs:0, %0" : "=r"(cpu));  // volatile: a context switch may move the caller to another CPU
  return *cpu;
}

// The thread running now.
inline void* current_thread() {
  void* thread;
  asm volatile("movq %%gs:24, %0" : "=r"(thread));
  return thread;
}

// Names the running thread and its word of pending work. A context switch calls it with interrupts off.
//
// The word is what makes the way back to user mode short: on every return (from a system call, an exception, an
// interrupt or a fork) the machine turns interrupts off, tests the word, and calls upcalls::return_to_user only if it
// is not 0. Its bits mean what sched says (reschedule, signal pending, ...). Who sets a bit for a thread that may be
// running in user mode on another CPU sends send_reschedule() there afterwards: the interrupt's return sees the bit.
// The upcall clears the bits that it has dealt with; a bit that it leaves makes the next return call it again.
inline void set_current_thread(void* thread, std::atomic<uint32_t>& user_work) {
  asm volatile("movq %0, %%gs:24" ::"r"(thread) : "memory");
  asm volatile("movq %0, %%gs:32" ::"r"(&user_work) : "memory");
}

// Whether that word has any of these bits.
inline bool has_user_work(uint32_t bits) {
  const std::atomic<uint32_t>* work;   // the thread's, on whatever CPU it runs
  asm volatile("movq %%gs:%c1, %0" : "=r"(work) : "i"(offsetof(CpuLocal, user_work)));
  return (work->load(std::memory_order_relaxed) & bits) != 0;
}

inline unsigned cpu_id() {
  uint32_t id;
  asm volatile("movl %%gs:%c1, %0" : "=r"(id) : "i"(offsetof(CpuLocal, id)));
  return id;
}

// Whether `address` lies on this CPU's interrupt stack. The handler of an interrupt that hit in the kernel runs there, so
// that a thread's stack need not have room for it.
inline bool on_interrupt_stack(uintptr_t address) {
  return this_cpu().interrupt_stack_top - address - 1 < kInterruptStackSize;
}

// How many CPUs run; 1 until start_other_cpus().
unsigned cpu_count();

inline bool interrupts_enabled() {
  uint64_t flags;
  asm volatile("pushfq; popq %0" : "=r"(flags)::"memory");
  return (flags & (1u << 9)) != 0;
}
// For the latency watchdog (latency.h): interrupts have gone off, unless they were; they are about to go on, here or by
// what the caller returns to.
#if TINE_DEBUG
void interrupts_go_off();
void interrupts_go_on();
#else
inline void interrupts_go_off() {}
inline void interrupts_go_on() {}
#endif
inline void enable_interrupts() {
  interrupts_go_on();
  asm volatile("sti" ::: "memory");
}
inline void disable_interrupts() {
  asm volatile("cli" ::: "memory");
  interrupts_go_off();
}
inline void spin_pause() { asm volatile("pause" ::: "memory"); }

// Enables interrupts and waits for one, with nothing lost between the two; returns with interrupts enabled.
extern "C" void halt_until_interrupt();
inline void wait_for_interrupt() {
  interrupts_go_on();
  halt_until_interrupt();
}

// Nested "interrupts off" sections. A context switch may happen inside one: the depth belongs to the CPU, and
// interrupts_were_on travels with the thread (sched saves it). Both words are reached through GS, without a pointer to
// them: a depth that is not 0 keeps the caller on its CPU, and on every CPU that it may run on otherwise it is 0.
inline uint32_t spin_depth() {
  uint32_t depth;
  asm volatile("movl %%gs:%c1, %0" : "=r"(depth) : "i"(offsetof(CpuLocal, spin_depth)) : "memory");
  return depth;
}
inline void push_interrupts_off() {
  if (spin_depth() == 0) {
    const bool were_on = interrupts_enabled();
    disable_interrupts();
    asm volatile("movb %0, %%gs:%c1" ::"q"(were_on), "i"(offsetof(CpuLocal, interrupts_were_on)) : "memory");
  }
  asm volatile("incl %%gs:%c0" ::"i"(offsetof(CpuLocal, spin_depth)) : "memory", "cc");
}
inline void pop_interrupts_off() {
  DEBUG_ASSERT(spin_depth() != 0);
  bool outermost;
  asm volatile("decl %%gs:%c1" : "=@ccz"(outermost) : "i"(offsetof(CpuLocal, spin_depth)) : "memory");
  if (!outermost) return;
  bool were_on;
  asm volatile("movb %%gs:%c1, %0" : "=q"(were_on) : "i"(offsetof(CpuLocal, interrupts_were_on)) : "memory");
  if (were_on) enable_interrupts();
}

class InterruptGuard {
 public:
  InterruptGuard() { push_interrupts_off(); }
  ~InterruptGuard() { pop_interrupts_off(); }
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;
};

// The cheap form: for a few instructions on per-CPU data. No lock taken inside may outlive it, and nothing may sleep.
class BriefInterruptGuard {
 public:
  BriefInterruptGuard() : were_on_(interrupts_enabled()) { disable_interrupts(); }
  ~BriefInterruptGuard() {
    if (were_on_) enable_interrupts();
  }
  BriefInterruptGuard(const BriefInterruptGuard&) = delete;
  BriefInterruptGuard& operator=(const BriefInterruptGuard&) = delete;

 private:
  const bool were_on_;
};

uint64_t hardware_random();     // RDSEED or RDRAND where present, mixed with the cycle counter; a seed, not a generator
uint64_t cycle_counter();       // TSC; for entropy and benchmarks only, clock.h keeps the time

}  // namespace tine::machine
