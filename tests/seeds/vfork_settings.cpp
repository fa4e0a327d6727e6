// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// kern.fast_vfork, and how a waiting parent is shown. Rows E3, V1.
#include <signal.h>

#include "setting.h"

namespace {

const char* wait_name(pid_t process) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/wchan", process);
  return read_text(path);
}

// A process that vforks a child, which then ends by `end` once it may.
template <class End>
void check_waits_in_ppwait(End end) {
  Gate may_end;
  auto& child = shared<volatile pid_t>();
  auto& went_on = shared<volatile int>();
  const pid_t parent = start_child([&] {
    const pid_t made = vfork();
    if (made == 0) {
      child = getpid();
      may_end.wait();
      end();
    }
    went_on = 1;
    int how;
    waitpid(made, &how, 0);
  });
  CHECK(eventually([&] { return strcmp(wait_name(parent), "ppwait") == 0; }));
  CHECK(eventually([&] { return child > 0; }));
  CHECK_EQ(static_cast<int>(went_on), 0);
  may_end.open();
  CHECK(eventually([&] { return went_on == 1; }));
  CHECK_EQ(wait_for(parent), 0);
}

}  // namespace

TEST(E3_without_fast_vfork_memory_is_copied_and_the_parent_waits) {
  const ChangedSetting copying("fast_vfork", 0ll);
  static volatile int value = 1;
  auto& ended_at = shared<volatile int64_t>();
  const pid_t child = vfork();
  if (child == 0) {
    value = 2;
    sleep_ms(100);
    ended_at = now_ns();
    _exit(value);
  }
  const int64_t went_on_at = now_ns();
  CHECK_EQ(wait_for(child), 2);
  CHECK_EQ(static_cast<int>(value), 1);
  CHECK(ended_at != 0 && went_on_at >= ended_at);
}

TEST(E3_fast_vfork_can_be_switched_at_any_time) {
  static volatile int value;
  for (const long long fast : Ints{1, 0, 1}) {
    const ChangedSetting setting("fast_vfork", fast);
    value = 1;
    const pid_t child = vfork();
    if (child == 0) {
      value = 2;
      _exit(0);
    }
    CHECK_EQ(wait_for(child), 0);
    CHECK_EQ(static_cast<int>(value), fast ? 2 : 1);
  }
}

TEST(V1_parent_sleeps_as_ppwait_until_exit) {
  check_waits_in_ppwait([] { _exit(0); });
}
TEST(V1_parent_sleeps_as_ppwait_until_exec) {
  check_waits_in_ppwait([] {
    execl("/bin/busybox", "true", static_cast<char*>(nullptr));
    _exit(127);
  });
}
TEST(V1_parent_sleeps_as_ppwait_until_the_child_is_killed) {
  check_waits_in_ppwait([] { kill(getpid(), SIGKILL); });
}
