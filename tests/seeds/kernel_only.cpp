// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Rows that only the kernel can see: its own checks of itself (kernel/trace/self_test.cpp), one for each.
#include "check.h"

#include <tine/syscall.h>

namespace {
void self_test(const char* name) {
  errno = 0;
  const auto run = [&] { return syscall(TINE_SYS_self_test, name); };
  if (run() == 0) return;
  if (errno == ENOSYS) SKIP("not a debug kernel");
  for (int tries = 0; errno == EAGAIN && tries < 20; ++tries)
    if (run() == 0) return;
  fail(__FILE__, __LINE__, "%s: %s; the console says more", name, strerror(errno));
}
}  // namespace

TEST(C1_embryo_is_invisible) { self_test("C1_embryo_is_invisible"); }
TEST(C20_fields_are_copied_or_zero) { self_test("C20_fields_are_copied_or_zero"); }
TEST(E7_kernel_process_runs_function_with_argument) { self_test("E7_runs_function_with_argument"); }
TEST(R10_stopped_child_waits_for_its_creator) { self_test("R10_stopped_child_waits_for_its_creator"); }
TEST(R11_high_pid_leaves_the_last_pid_alone) { self_test("R11_high_pid_leaves_the_last_pid_alone"); }
TEST(R13_no_zombie_is_left) { self_test("R13_no_zombie_is_left"); }
TEST(R14_user_signals_do_not_touch_a_system_process) { self_test("R14_user_signals_do_not_touch_a_system_process"); }
TEST(X1_kernel_function_that_returns_ends_its_process) { self_test("E7_runs_function_with_argument"); }
TEST(X2_first_step_holds_no_lock) { self_test("E7_runs_function_with_argument"); }
