// SPDX-License-Identifier: BSD-2-Clause
// The kernel's audit of itself can be read at any time without finding what is not there: processes that have been killed
// and are still giving back their memory are no finding.
// guest-test: tine-only (Linux has no audit)
#include <signal.h>
#include <sys/mman.h>

#include "kernel_state.h"

namespace {

// As much to give back as can be had for little memory: a page in each of many page tables.
constexpr size_t kTables = 1500, kSpan = 2 << 20;

void touch_many_tables() {
  char* memory = static_cast<char*>(
      mmap(nullptr, kTables * kSpan, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  CHECK(memory != MAP_FAILED);
  for (size_t i = 0; i < kTables; i++) memory[i * kSpan] = 1;
}

}  // namespace

TEST(what_is_dying_is_no_finding_of_the_audit) {
  for (long moment = 0; moment < 20; moment++) {
    Gate ready;
    const pid_t child = start_child([&] {
      touch_many_tables();
      ready.open();
      for (;;) pause();
    });
    ready.wait();
    CHECK_OK(kill(child, SIGKILL));
    usleep(static_cast<unsigned>(moment * 300));   // somewhere within its end
    check_audit();
    CHECK_EQ(wait_for(child), 128 + SIGKILL);
  }
}
