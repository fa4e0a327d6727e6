// SPDX-License-Identifier: BSD-2-Clause
// ptrace(2): registers of all kinds, single steps, watched addresses, the signal mask.
#include "tracee.h"

#include <elf.h>
#include <fcntl.h>
#include <sys/syscall.h>

namespace {

constexpr int kExtendedState = 0x202;   // NT_X86_XSTATE
constexpr int kGetMask = 0x420a, kSetMask = 0x420b;

}  // namespace

TEST(general_registers_are_read_and_written) {
  const pid_t child = start_traced([] {
    unsigned long r12 = 0x1111, rbx = 0x2222;
    asm volatile("movq %0, %%r12; movq %1, %%rbx; int3; movq %%r12, %0; movq %%rbx, %1" : "+r"(r12), "+r"(rbx)::"r12", "rbx");
    _exit(r12 == 0x3333 && rbx == 0x2222 ? 0 : 1);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP);
  user_regs_struct registers = registers_of(child);
  CHECK_EQ(registers.r12, 0x1111ul);
  CHECK_EQ(registers.rbx, 0x2222ul);
  CHECK_EQ(trace(PTRACE_PEEKUSER, child, offsetof(user_regs_struct, r12)), 0x1111);
  CHECK_EQ(registers.orig_rax, ~0ul);
  registers.r12 = 0x3333;
  registers.eflags |= 3 << 12;   // not the program's to set
  CHECK_OK(trace(PTRACE_SETREGS, child, 0, reinterpret_cast<uintptr_t>(&registers)));
  CHECK_EQ(registers_of(child).eflags & 3 << 12, 0ul);
  registers.fs_base = 1ul << 63;
  CHECK_ERRNO(trace(PTRACE_SETREGS, child, 0, reinterpret_cast<uintptr_t>(&registers)), EIO);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(register_sets_are_read_and_written) {
  const pid_t child = start_traced([] {
    unsigned long value = 1;
    asm volatile("movq %0, %%r13; int3; movq %%r13, %0" : "+r"(value)::"r13");
    _exit(static_cast<int>(value));
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP);
  user_regs_struct registers = {};
  iovec vector = {&registers, sizeof registers + 64};
  CHECK_OK(trace(PTRACE_GETREGSET, child, NT_PRSTATUS, reinterpret_cast<uintptr_t>(&vector)));
  CHECK_EQ(vector.iov_len, sizeof registers);
  CHECK_EQ(registers.r13, 1ul);
  registers.r13 = 66;
  CHECK_OK(trace(PTRACE_SETREGSET, child, NT_PRSTATUS, reinterpret_cast<uintptr_t>(&vector)));
  CHECK_ERRNO(trace(PTRACE_GETREGSET, child, 0x999, reinterpret_cast<uintptr_t>(&vector)), EINVAL);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 66);
}

TEST(vector_registers_are_read_and_written) {
  const pid_t child = start_traced([] {
    unsigned long low = 0x5555;
    asm volatile("movq %0, %%xmm7; int3; movq %%xmm7, %0" : "+r"(low)::"xmm7");
    _exit(low == 0x7777 ? 0 : 1);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP);
  user_fpregs_struct registers = {};
  CHECK_OK(trace(PTRACE_GETFPREGS, child, 0, reinterpret_cast<uintptr_t>(&registers)));
  CHECK_EQ(registers.xmm_space[7 * 4], 0x5555u);
  CHECK_EQ(registers.cwd, 0x37f);
  registers.xmm_space[7 * 4] = 0x7777;
  CHECK_OK(trace(PTRACE_SETFPREGS, child, 0, reinterpret_cast<uintptr_t>(&registers)));
  user_fpregs_struct again = {};
  CHECK_OK(trace(PTRACE_GETFPREGS, child, 0, reinterpret_cast<uintptr_t>(&again)));
  CHECK_EQ(again.xmm_space[7 * 4], 0x7777u);
  registers.mxcsr = ~0u;
  CHECK_ERRNO(trace(PTRACE_SETFPREGS, child, 0, reinterpret_cast<uintptr_t>(&registers)), EINVAL);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(extended_state_is_read_and_written_and_checked) {
  const pid_t child = start_traced([] {
    unsigned long low = 0x5555;
    asm volatile("movq %0, %%xmm3; int3; movq %%xmm3, %0" : "+r"(low)::"xmm3");
    _exit(low == 0x9999 ? 0 : 1);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP);
  alignas(8) static unsigned char state[16384];
  iovec vector = {state, sizeof state};
  errno = 0;
  if (trace(PTRACE_GETREGSET, child, kExtendedState, reinterpret_cast<uintptr_t>(&vector)) != 0) {
    CHECK_EQ(errno, ENODEV);
    kill(child, SIGKILL);
    wait_status(child);
    SKIP("this CPU has no XSAVE");
  }
  CHECK(vector.iov_len >= 576);
  uint64_t components, present;
  memcpy(&components, state + 464, 8);
  memcpy(&present, state + 512, 8);
  CHECK_EQ(components & 3, 3u);
  CHECK_EQ(present & ~components, 0u);
  uint64_t low;
  memcpy(&low, state + 160 + 3 * 16, 8);
  CHECK_EQ(low, 0x5555u);
  low = 0x9999;
  memcpy(state + 160 + 3 * 16, &low, 8);
  state[520] = 1;   // the compacted form: not for programs
  CHECK_ERRNO(trace(PTRACE_SETREGSET, child, kExtendedState, reinterpret_cast<uintptr_t>(&vector)), EINVAL);
  state[520] = 0;
  CHECK_OK(trace(PTRACE_SETREGSET, child, kExtendedState, reinterpret_cast<uintptr_t>(&vector)));
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(thread_pointer_is_seen) {
  const pid_t child = start_traced([] {});
  CHECK(registers_of(child).fs_base != 0);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(single_steps_run_one_instruction) {
  const pid_t child = start_traced([] {
    asm volatile("int3; nop; nop; nop");
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP);
  const unsigned long start = registers_of(child).rip;
  for (unsigned long i = 1; i <= 3; i++) {
    CHECK_OK(trace(PTRACE_SINGLESTEP, child));
    expect_stop(child, SIGTRAP);
    CHECK_EQ(registers_of(child).rip, start + i);
    CHECK_EQ(registers_of(child).eflags & 0x100, 0ul);
    CHECK_EQ(signal_info(child).si_code, TRAP_TRACE);
  }
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(system_call_is_one_step) {
  const pid_t child = start_traced([] {
    long result = SYS_getppid;
    asm volatile("int3; syscall; nop" : "+a"(result)::"rcx", "r11", "memory");
    _exit(result == getppid() ? 0 : 1);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGTRAP);
  const unsigned long start = registers_of(child).rip;
  CHECK_OK(trace(PTRACE_SINGLESTEP, child));
  expect_stop(child, SIGTRAP);
  CHECK_EQ(registers_of(child).rip, start + 2);
  CHECK_EQ(static_cast<pid_t>(registers_of(child).rax), getpid());
  CHECK_OK(trace(PTRACE_SINGLESTEP, child));
  expect_stop(child, SIGTRAP);
  CHECK_EQ(registers_of(child).rip, start + 3);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

namespace {
volatile int handled = 0;
void handle(int) { handled = handled + 1; }
}  // namespace

TEST(step_into_a_handler_stops_at_its_first_instruction) {
  const pid_t child = start_traced([] {
    signal(SIGUSR1, handle);
    raise(SIGUSR1);
    _exit(handled);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGUSR1);
  CHECK_OK(trace(PTRACE_SINGLESTEP, child, 0, SIGUSR1));
  expect_stop(child, SIGTRAP);
  CHECK_EQ(registers_of(child).rip, reinterpret_cast<unsigned long>(&handle));
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 1);
}

TEST(written_address_is_watched) {
  static volatile long watched = 0;
  const pid_t child = start_traced([] {
    watched = 1;
    asm volatile("nop");
    watched = 2;
    _exit(0);
  });
  const auto debug_register = [](unsigned n) { return 848 + n * sizeof(long); };
  CHECK_OK(trace(PTRACE_POKEUSER, child, debug_register(0), reinterpret_cast<uintptr_t>(&watched)));
  CHECK_OK(trace(PTRACE_POKEUSER, child, debug_register(7), 1 | 0x9u << 16 | 0x2u << 18));   // 8 bytes, written
  for (long value = 1; value <= 2; value++) {
    CHECK_OK(trace(PTRACE_CONT, child));
    expect_stop(child, SIGTRAP);
    CHECK_EQ(signal_info(child).si_code, 4);   // TRAP_HWBKPT
    CHECK_EQ(trace(PTRACE_PEEKUSER, child, debug_register(6)) & 0xf, 1);
    CHECK_OK(trace(PTRACE_POKEUSER, child, debug_register(6), 0));
    CHECK_EQ(trace(PTRACE_PEEKDATA, child, reinterpret_cast<uintptr_t>(&watched)), value);
  }
  CHECK_OK(trace(PTRACE_POKEUSER, child, debug_register(7), 0));
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

[[gnu::noinline]] static void watched_instruction() { asm volatile("nop"); }

TEST(watched_instruction_stops_once_and_runs) {
  const pid_t child = start_traced([] {
    watched_instruction();
    watched_instruction();
    _exit(0);
  });
  const auto address = reinterpret_cast<uintptr_t>(&watched_instruction);
  CHECK_OK(trace(PTRACE_POKEUSER, child, 848, address));
  CHECK_OK(trace(PTRACE_POKEUSER, child, 848 + 7 * 8, 1));
  for (int i = 0; i < 2; i++) {
    CHECK_OK(trace(PTRACE_CONT, child));
    expect_stop(child, SIGTRAP);
    CHECK_EQ(registers_of(child).rip, address);
    CHECK_EQ(signal_info(child).si_code, 4);   // TRAP_HWBKPT
  }
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(instruction_pointer_that_is_no_address_faults) {
  constexpr unsigned long kNoAddress = 0x8000'1234'5678'9abc;
  const pid_t child = start_traced([] {});
  user_regs_struct registers = registers_of(child);
  registers.rip = kNoAddress;
  CHECK_OK(trace(PTRACE_SETREGS, child, 0, reinterpret_cast<uintptr_t>(&registers)));
  CHECK_OK(trace(PTRACE_CONT, child));
  for (int i = 0; i < 2; i++) {   // it faults again if the signal is taken away
    expect_stop(child, SIGSEGV);
    CHECK_EQ(signal_info(child).si_code, SI_KERNEL);
    CHECK_EQ(registers_of(child).rip, kNoAddress);
    if (i == 0) CHECK_OK(trace(PTRACE_CONT, child));
  }
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGSEGV));
  int status = wait_status(child);
  CHECK(WIFSIGNALED(status));
  CHECK_EQ(WTERMSIG(status), SIGSEGV);
}

TEST(kernel_that_writes_to_a_watched_address_goes_on) {
  static long watched[2] = {};
  const pid_t child = start_traced([] {
    int ends[2];
    pipe(ends);
    if (write(ends[1], "12345678", 8) != 8 || read(ends[0], watched, 8) != 8) _exit(1);
    _exit(0);
  });
  CHECK_OK(trace(PTRACE_POKEUSER, child, 848, reinterpret_cast<uintptr_t>(watched)));
  CHECK_OK(trace(PTRACE_POKEUSER, child, 848 + 7 * 8, 1 | 0xdu << 16));   // 4 bytes, read or written
  CHECK_OK(trace(PTRACE_CONT, child));
  int status = wait_status(child);
  while (WIFSTOPPED(status)) {
    CHECK_EQ(WSTOPSIG(status), SIGTRAP);
    CHECK_OK(trace(PTRACE_CONT, child));
    status = wait_status(child);
  }
  CHECK_EQ(status, 0);
}

TEST(kernel_addresses_cannot_be_watched) {
  const pid_t child = start_traced([] {});
  CHECK_ERRNO(trace(PTRACE_POKEUSER, child, 848, 0xffffffff80000000), EINVAL);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(offsets_in_struct_user_are_checked) {
  const pid_t child = start_traced([] {});
  CHECK_ERRNO(trace(PTRACE_PEEKUSER, child, 3), EIO);
  CHECK_ERRNO(trace(PTRACE_PEEKUSER, child, 4096), EIO);
  CHECK_ERRNO(trace(PTRACE_POKEUSER, child, 400, 1), EIO);
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_exit(child, 0);
}

TEST(signal_mask_is_read_and_changed) {
  const pid_t child = start_traced([] {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    raise(SIGUSR2);
    raise(SIGUSR1);   // the tracer has let it through
    _exit(1);
  });
  CHECK_OK(trace(PTRACE_CONT, child));
  expect_stop(child, SIGUSR2);
  uint64_t mask = 0;
  CHECK_ERRNO(trace(kGetMask, child, 4, reinterpret_cast<uintptr_t>(&mask)), EINVAL);
  CHECK_OK(trace(kGetMask, child, 8, reinterpret_cast<uintptr_t>(&mask)));
  CHECK(mask & 1u << (SIGUSR1 - 1));
  mask = 0;
  CHECK_OK(trace(kSetMask, child, 8, reinterpret_cast<uintptr_t>(&mask)));
  CHECK_OK(trace(PTRACE_CONT, child));
  // raise() blocks everything around the call: the signal is taken when the mask that it found is back, or was set.
  int status = wait_status(child);
  CHECK(WIFSTOPPED(status));
  CHECK_EQ(WSTOPSIG(status), SIGUSR1);
  CHECK_OK(trace(PTRACE_CONT, child, 0, SIGUSR1));
  CHECK_EQ(wait_status(child), SIGUSR1);
}
