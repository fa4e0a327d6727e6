// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// guest-test: boot kern.pid_max=4194304
// Process ids in the largest space that there can be. Row P11.
#include "setting.h"

TEST(P11_pid_max_can_be_4194304) {
  constexpr pid_t kDefault = 99999, kPidMax = 4194304;
  CHECK_EQ(setting("pid_max"), kPidMax);
  int beyond_default = 0;
  for (int i = 0; i < 50; i++) {
    const pid_t child = start_child([] {});
    CHECK_EQ(wait_for(child), 0);
    CHECK(child >= 2 && child <= kPidMax);
    beyond_default += child > kDefault;
  }
  CHECK(beyond_default > 40);
  CHECK_EQ(setting("lastpid") > 0, true);
}
