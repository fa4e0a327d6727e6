// SPDX-License-Identifier: BSD-2-Clause
// What a handler finds in the registers, and what becomes of a program that returns through a frame that it has spoilt.
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>

#include "check.h"

namespace {

constexpr uint32_t kInitialMxcsr = 0x1f80, kOtherMxcsr = 0x9fc0;
constexpr uint16_t kInitialControl = 0x37f, kOtherControl = 0x27f;
constexpr uint64_t kPattern = 0xfeedfacecafebeef;
constexpr uint64_t kNoAddress = 0x8000'1234'5678'9abc;

struct Registers {
  uint64_t xmm3 = 0, xmm15 = 0, x87 = 0;
  uint32_t mxcsr = 0;
  uint16_t control = 0;
};

// Takes them down before any other code can change them.
[[gnu::always_inline]] inline void note(Registers& into) {
  asm volatile(
      "movq %%xmm3, %0; movq %%xmm15, %1; stmxcsr %2; fnstcw %3"
      : "=m"(into.xmm3), "=m"(into.xmm15), "=m"(into.mxcsr), "=m"(into.control)::"memory");
}

// Sends the signal to the process with unusual values in these registers, and tells what is there afterwards.
Registers send_with_other_registers(int signal) {
  Registers after;
  const uint32_t mxcsr = kOtherMxcsr, initial_mxcsr = kInitialMxcsr;
  const uint16_t control = kOtherControl, initial_control = kInitialControl;
  long result = SYS_kill;
  const long pid = getpid();
  asm volatile(
      "ldmxcsr %[mxcsr]; fldcw %[control]; movq %[pattern], %%xmm3; movq %[pattern], %%xmm15\n\t"
      "syscall\n\t"
      "movq %%xmm3, %[xmm3]; movq %%xmm15, %[xmm15]; stmxcsr %[mxcsr_after]; fnstcw %[control_after]\n\t"
      "ldmxcsr %[initial_mxcsr]; fldcw %[initial_control]"
      : "+a"(result), [xmm3] "=m"(after.xmm3), [xmm15] "=m"(after.xmm15), [mxcsr_after] "=m"(after.mxcsr),
        [control_after] "=m"(after.control)
      : [mxcsr] "m"(mxcsr), [control] "m"(control), [pattern] "r"(kPattern), [initial_mxcsr] "m"(initial_mxcsr),
        [initial_control] "m"(initial_control), "D"(pid), "S"(long{signal})
      : "rcx", "r11", "xmm3", "xmm15", "memory");
  return after;
}

void check_initial(const Registers& registers) {
  CHECK_EQ(registers.mxcsr, kInitialMxcsr);
  CHECK_EQ(registers.control, kInitialControl);
  CHECK_EQ(registers.xmm3, 0u);
  CHECK_EQ(registers.xmm15, 0u);
}

using Handler = void(int, siginfo_t*, void*);
void handle(int signal, Handler* handler, int flags = 0) {
  struct sigaction action = {};
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  CHECK_OK(sigaction(signal, &action, nullptr));
}

char* state_of(void* context) { return reinterpret_cast<char*>(static_cast<ucontext_t*>(context)->uc_mcontext.fpregs); }
greg_t& instruction_of(void* context) { return static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]; }
// The CPU has it, and the kernel switches it on.
bool has_xsave() {
  uint32_t eax = 1, ebx, ecx = 0, edx;
  asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
  return ecx >> 27 & 1;
}
bool has_avx() {
  if (!has_xsave()) return false;
  uint32_t eax, edx;
  asm volatile("xgetbv" : "=a"(eax), "=d"(edx) : "c"(0));
  return (eax & 4) != 0;
}

// What spoils a frame.
void spoil_mxcsr(int, siginfo_t*, void* context) {
  const uint32_t invalid = ~0u;
  memcpy(state_of(context) + 24, &invalid, sizeof invalid);
}
void spoil_header(int, siginfo_t*, void* context) {
  if (!has_xsave()) return spoil_mxcsr(0, nullptr, context);
  const uint64_t reserved = 1;   // of XCOMP_BV, for a format that bit 63 does not say
  memcpy(state_of(context) + 520, &reserved, sizeof reserved);
}
void spoil_components(int, siginfo_t*, void* context) {
  if (!has_xsave()) return spoil_mxcsr(0, nullptr, context);
  const uint64_t unknown = uint64_t{1} << 62;
  memcpy(state_of(context) + 512, &unknown, sizeof unknown);
}
void misplace_state(int, siginfo_t*, void* context) {
  auto& registers = static_cast<ucontext_t*>(context)->uc_mcontext.fpregs;
  registers = reinterpret_cast<decltype(+registers)>(kNoAddress);
}
void spoil_instruction(int, siginfo_t*, void* context) { instruction_of(context) = static_cast<greg_t>(kNoAddress); }

constexpr Handler* kVectorSpoilers[] = {spoil_header, spoil_components, misplace_state, spoil_mxcsr};
constexpr Handler* kSpoilers[] = {spoil_instruction, spoil_header, spoil_components, misplace_state, spoil_mxcsr};

// QEMU's emulated CPU takes any MXCSR, so that one of these spoils nothing there.
bool spoils_nothing_here(Handler* spoil) {
  const bool is_mxcsr = spoil == spoil_mxcsr || (!has_xsave() && (spoil == spoil_header || spoil == spoil_components));
  if (!is_mxcsr) return false;
  return in_child([] {
           const uint32_t invalid = ~0u;
           asm volatile("ldmxcsr %0" ::"m"(invalid));
         }) == 0;
}

volatile int faults;
Registers in_handler;
uintptr_t fault_instruction, fault_code;

}  // namespace

TEST(handler_starts_with_initial_registers) {
  handle(SIGUSR1, [](int, siginfo_t*, void*) { note(in_handler); });
  const Registers after = send_with_other_registers(SIGUSR1);
  check_initial(in_handler);
  CHECK_EQ(after.mxcsr, kOtherMxcsr);
  CHECK_EQ(after.control, kOtherControl);
  CHECK_EQ(after.xmm3, kPattern);
  CHECK_EQ(after.xmm15, kPattern);
}

TEST(upper_halves_of_vectors_are_initial_in_a_handler_and_come_back) {
  if (!has_avx()) SKIP("this CPU has no AVX");
  static uint64_t upper[2], after[2];
  handle(SIGUSR1, [](int, siginfo_t*, void*) { asm volatile("vextractf128 $1, %%ymm5, %0" : "=m"(upper)); });
  const uint64_t pattern[4] = {1, 2, 3, 4};
  long result = SYS_kill;
  const long pid = getpid(), signal = SIGUSR1;
  asm volatile("vmovdqu %[pattern], %%ymm5; syscall; vextractf128 $1, %%ymm5, %[after]; vzeroupper"
               : "+a"(result), [after] "=m"(after)
               : [pattern] "m"(pattern), "D"(pid), "S"(signal)
               : "rcx", "r11", "xmm5", "memory");
  CHECK_EQ(upper[0] | upper[1], 0u);
  CHECK_EQ(after[0], 3u);
  CHECK_EQ(after[1], 4u);
}

TEST(spoilt_frame_kills) {
  for (Handler* spoil : kSpoilers) {
    if (spoils_nothing_here(spoil)) continue;
    CHECK_EQ(in_child([&] {
               alarm(10);
               handle(SIGUSR1, spoil);
               raise(SIGUSR1);
             }),
             128 + SIGSEGV);
  }
}

TEST(spoilt_frame_kills_though_SIGSEGV_is_ignored_or_blocked) {
  for (Handler* spoil : kSpoilers) {
    if (spoils_nothing_here(spoil)) continue;
    CHECK_EQ(in_child([&] {
               alarm(10);
               handle(SIGUSR1, spoil);
               signal(SIGSEGV, SIG_IGN);
               sigset_t set;
               sigemptyset(&set);
               sigaddset(&set, SIGSEGV);
               sigprocmask(SIG_BLOCK, &set, nullptr);
               raise(SIGUSR1);
             }),
             128 + SIGSEGV);
  }
}

TEST(program_whose_vectors_are_spoilt_goes_on_after_one_SIGSEGV) {
  for (Handler* spoil : kVectorSpoilers) {
    if (spoils_nothing_here(spoil)) continue;
    alarm(10);
    faults = 0;
    handle(SIGUSR1, spoil);
    handle(SIGSEGV, [](int, siginfo_t* info, void*) {
      faults = faults + 1;
      fault_code = static_cast<uintptr_t>(info->si_code);
    });
    check_initial(send_with_other_registers(SIGUSR1));
    CHECK_EQ(faults, 1);
    CHECK_EQ(fault_code, uintptr_t{SI_KERNEL});
  }
}

TEST(mask_of_a_spoilt_frame_is_taken) {
  handle(SIGUSR1, misplace_state);
  handle(SIGSEGV, [](int, siginfo_t*, void*) { faults = faults + 1; });
  raise(SIGUSR1);
  sigset_t blocked;
  CHECK_OK(sigprocmask(SIG_BLOCK, nullptr, &blocked));
  CHECK(!sigismember(&blocked, SIGUSR1));
}

TEST(return_to_no_address_is_a_fault_there) {
  alarm(10);
  static volatile greg_t original;
  handle(SIGUSR1, [](int, siginfo_t*, void* context) {
    original = instruction_of(context);
    spoil_instruction(0, nullptr, context);
  });
  handle(SIGSEGV, [](int, siginfo_t* info, void* context) {
    faults = faults + 1;
    fault_code = static_cast<uintptr_t>(info->si_code);
    fault_instruction = static_cast<uintptr_t>(instruction_of(context));
    instruction_of(context) = original;
  });
  const Registers after = send_with_other_registers(SIGUSR1);
  CHECK_EQ(faults, 1);
  CHECK_EQ(fault_code, uintptr_t{SI_KERNEL});
  CHECK_EQ(fault_instruction, kNoAddress);
  CHECK_EQ(after.xmm3, kPattern);
  CHECK_EQ(after.mxcsr, kOtherMxcsr);
}

TEST(handler_at_no_address_kills) {
  CHECK_EQ(in_child([] {
             alarm(10);
             handle(SIGSEGV, reinterpret_cast<Handler*>(kNoAddress));
             handle(SIGUSR1, reinterpret_cast<Handler*>(kNoAddress));
             raise(SIGUSR1);
           }),
           128 + SIGSEGV);
}

TEST(frame_without_vectors_makes_them_initial) {
  handle(SIGUSR1, [](int, siginfo_t*, void* context) { static_cast<ucontext_t*>(context)->uc_mcontext.fpregs = nullptr; });
  check_initial(send_with_other_registers(SIGUSR1));
}

TEST(components_that_a_frame_leaves_out_become_initial) {
  if (!has_xsave()) SKIP("this CPU has no XSAVE");
  handle(SIGUSR1, [](int, siginfo_t*, void* context) {
    char* state = state_of(context);
    const uint64_t x87 = 1;
    memcpy(state + 472, &x87, sizeof x87);
    asm volatile("movq %0, %%xmm3; movq %0, %%xmm15" ::"r"(uint64_t{1}) : "xmm3", "xmm15");
  });
  const Registers after = send_with_other_registers(SIGUSR1);
  CHECK_EQ(after.control, kOtherControl);
  CHECK_EQ(after.xmm3, 0u);
  CHECK_EQ(after.xmm15, 0u);
}
