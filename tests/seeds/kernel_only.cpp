// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Rows, and a rule of the kernel's own, that only the kernel can see: its own checks of itself (kernel/trace/self_test.cpp), one
// for each.
#include "check.h"

#include <sys/klog.h>
#include <tine/syscall.h>

namespace {
constexpr int kReadAll = 3;   // syslog(2)
char kernel_log[1 << 17];

void read_kernel_log() { kernel_log[CHECK_OK(klogctl(kReadAll, kernel_log, sizeof kernel_log - 1))] = '\0'; }

// What the last self-test said of its failure.
const char* complaint() {
  constexpr char kMark[] = "self test: ";
  const char* last = "the kernel's log says no more";
  read_kernel_log();
  for (const char* line = strtok(kernel_log, "\n"); line; line = strtok(nullptr, "\n"))
    if (const char* at = strstr(line, kMark)) last = at + strlen(kMark);
  return last;
}

void self_test(const char* name) {
  errno = 0;
  const auto run = [&] { return syscall(TINE_SYS_self_test, name); };
  if (run() == 0) return;
  if (errno == ENOSYS) SKIP("not a debug kernel");
  for (int tries = 0; errno == EAGAIN && tries < 20; ++tries)
    if (run() == 0) return;
  const int error = errno;
  fail(__FILE__, __LINE__, "%s: %s: %s", name, strerror(error), complaint());
}

// How many lines of the kernel's log are such.
template <class Matches>
int count_log_lines(Matches matches) {
  read_kernel_log();
  int count = 0;
  for (const char* line = strtok(kernel_log, "\n"); line; line = strtok(nullptr, "\n")) count += matches(line);
  return count;
}
}  // namespace

TEST(A2_nothing_fails_after_the_commit) { self_test("A2_nothing_fails_after_the_commit"); }
TEST(C1_embryo_is_invisible) { self_test("C1_embryo_is_invisible"); }
TEST(C6_exactly_these_flags_are_inherited) { self_test("C6_exactly_these_flags_are_inherited"); }
TEST(C20_process_fields_are_copied_or_zero) { self_test("C20_process_fields_are_copied_or_zero"); }
TEST(C20_thread_fields_are_copied_or_zero) { self_test("C20_thread_fields_are_copied_or_zero"); }
TEST(E7_kernel_process_runs_function_with_argument) { self_test("E7_runs_function_with_argument"); }
TEST(R10_stopped_child_waits_for_its_creator) { self_test("R10_stopped_child_waits_for_its_creator"); }
TEST(R11_high_pid_leaves_the_last_pid_alone) { self_test("R11_high_pid_leaves_the_last_pid_alone"); }
TEST(R13_no_zombie_is_left) { self_test("R13_no_zombie_is_left"); }
TEST(R14_user_signals_do_not_touch_a_system_process) { self_test("R14_user_signals_do_not_touch_a_system_process"); }
TEST(R15_idle_process_is_bound_and_never_queued) { self_test("R15_idle_process_is_bound_and_never_queued"); }
TEST(S1_first_step_is_on_the_threads_own_stack) { self_test("S1_first_step_is_on_the_threads_own_stack"); }
TEST(S5_embryo_is_neither_reaped_nor_moved) { self_test("S5_embryo_is_neither_reaped_nor_moved"); }
TEST(X1_kernel_function_that_returns_is_logged_and_ends_its_process) {
  const auto is_message = [](const char* line) {
    int pid = 0;
    const char* text = strstr(line, "Kernel thread \"selftest\" (pid ");
    return text && sscanf(text, "Kernel thread \"selftest\" (pid %d) exited prematurely.", &pid) == 1 && pid > 1;
  };
  const int before = count_log_lines(is_message);
  self_test("E7_runs_function_with_argument");
  CHECK_EQ(count_log_lines(is_message), before + 1);
}
TEST(X2_first_step_holds_no_lock) { self_test("E7_runs_function_with_argument"); }
TEST(kernel_lies_at_a_random_address) { self_test("kernel_lies_at_a_random_address"); }
TEST(interrupts_have_a_stack_of_their_own_and_a_backtrace_crosses_it) {
  // The handler's callers are on its stack, the caller of the interrupted function on the thread's.
  const auto is_caller = [](const char* line) { return strstr(line, "  at ffff") && strstr(line, "run_self_test"); };
  const int before = count_log_lines(is_caller);
  self_test("interrupts_have_a_stack_of_their_own");
  CHECK_EQ(count_log_lines(is_caller), before + 1);
}
TEST(a_timer_armed_while_it_runs_elsewhere_is_waited_for) { self_test("timer_is_armed_while_it_runs_elsewhere"); }
