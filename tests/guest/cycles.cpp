// SPDX-License-Identifier: BSD-2-Clause
// Many short lives leave nothing behind: after fork + exec + exit again and again, as many frames are free and as many
// objects live as before. TINE_CYCLES sets how many.
#include <fcntl.h>

#include "kernel_state.h"
#include "random.h"

namespace {

void live_once() {
  const pid_t child = fork();
  if (child < 0) fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    execl("/proc/self/exe", "cycles", "--list", static_cast<char*>(nullptr));
    _exit(127);
  }
  CHECK_EQ(wait_for(child), 0);
}

}  // namespace

TEST(fork_exec_exit_leaves_nothing) {
  static KernelState before;
  for (int i = 0; i < 50; i++) live_once();   // what is made once stays
  before.take();
  before.take();                              // its own first reading is one of those things
  const uint64_t cycles = parameter("TINE_CYCLES", 2000);
  for (uint64_t i = 0; i < cycles; i++) live_once();
  check_state_is_again(before);
  check_audit();
}
