// SPDX-License-Identifier: BSD-2-Clause
// What a program can do with the processor itself: flags, selectors of descriptor tables.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "check.h"

static volatile int traps;

TEST(program_that_steps_itself_passes_a_system_call) {
  CHECK_EQ(in_child([] {
             struct sigaction action = {};
             action.sa_handler = [](int) { traps = traps + 1; };
             CHECK_OK(sigaction(SIGTRAP, &action, nullptr));
             alarm(10);
             constexpr long kTrapFlag = 0x100;
             long result = SYS_getppid;
             asm volatile(
                 "pushf; orq %[trap], (%%rsp); popf\n\t"
                 "syscall\n\t"
                 "pushf; andq %[others], (%%rsp); popf"
                 : "+a"(result)
                 : [trap] "i"(kTrapFlag), [others] "i"(~kTrapFlag)
                 : "rcx", "r11", "cc", "memory");
             CHECK_EQ(result, getppid());
             CHECK(traps >= 3);
           }),
           0);
}

// The processor reads the table where the register says, which after a reset is address 0: a program could lay gates there.
TEST(local_descriptor_table_is_empty) {
  constexpr uint32_t kLocal = 1 << 2 | 3;   // the table, and a program's privilege
  for (uint32_t index = 0; index < 16; index++) {
    uint32_t rights = 0;
    bool readable;
    asm volatile("lar %2, %0" : "+r"(rights), "=@ccz"(readable) : "r"(index << 3 | kLocal));
    CHECK(!readable);
  }
}
