// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Process ids as programs see them; the rest of their choice is tested on the host (tests/unit/pid_space_test.cpp) and with
// a small space (small_pid_space.cpp). Rows P1, P2, P4, P5, P11, K3.
#include <fcntl.h>
#include <signal.h>
#include <sys/sysctl.h>
#include <sys/syscall.h>
#include <tine/syscall.h>

#include "setting.h"

namespace {

constexpr int kPidMax = 99999;   // the default

pid_t pid_of_new_process() {
  const pid_t child = start_child([] {});
  CHECK_EQ(wait_for(child), 0);
  return child;
}

}  // namespace

TEST(P1_first_process_is_pid_1) {
  CHECK_EQ(read_text("/proc/1/comm"), "init\n");
  int parent = -1;
  CHECK_EQ(sscanf(strrchr(read_text("/proc/1/stat"), ')'), ") %*c %d", &parent), 1);
  CHECK_EQ(parent, 0);
}

TEST(P2_pids_are_random_by_default) {
  CHECK_EQ(read_text(setting_path("pidmode")), "random\n");
  // A hundred in a row: spread over the whole space, and no order in them.
  int lower_half = 0, ascending = 0;
  pid_t previous = 0;
  for (int i = 0; i < 100; i++) {
    const pid_t pid = pid_of_new_process();
    CHECK(pid >= 2 && pid <= kPidMax);
    lower_half += pid < kPidMax / 2;
    ascending += pid > previous;
    previous = pid;
  }
  CHECK(lower_half > 20 && lower_half < 80);
  CHECK(ascending > 20 && ascending < 80);
}

// Numbers in use, or freed not long ago, are passed over: a sixth of all, here and there, and what a test before took in order.
constexpr pid_t kPassedOver = 250;

TEST(P3_sequential_pids_follow_each_other) {
  const ChangedSetting mode("pidmode", "sequential");
  pid_t previous = pid_of_new_process();
  for (int i = 0; i < 100; i++) {
    const pid_t pid = pid_of_new_process();
    const bool wrapped = previous >= kPidMax - kPassedOver && pid >= 100 && pid <= 100 + kPassedOver;
    CHECK(wrapped || (pid > previous && pid <= previous + kPassedOver));
    previous = pid;
  }
}

TEST(P4_random_steps_in_sequential_mode) {
  const ChangedSetting mode("pidmode", "sequential"), step("randompid", 1000);
  pid_t previous = pid_of_new_process();
  int far = 0;
  for (int i = 0; i < 100; i++) {
    const pid_t pid = pid_of_new_process();
    if (pid > previous) {
      CHECK(pid <= previous + 1000 + kPassedOver);
      far += pid > previous + 200;
    } else {
      CHECK(previous >= kPidMax - 1000 - kPassedOver);
      CHECK(pid >= 100);
    }
    previous = pid;
  }
  CHECK(far > 30);
}

TEST(P4_written_steps_are_clamped) {
  const ChangedSetting keep("randompid", 0ll);
  constexpr long long kMost = kPidMax - 100;
  const struct {
    long long written, read;
  } kCases[] = {{-1, kMost},      {INT32_MIN, kMost}, {0, 0},         {1, 0},         {2, 100},          {99, 100}, {100, 100},
                {101, 101}, {kMost, kMost},     {kMost + 1, kMost}, {INT32_MAX, kMost}};
  for (const auto& each : kCases) {
    const ChangedSetting step("randompid", each.written);
    CHECK_EQ(setting("randompid"), each.read);
  }
  CHECK(!try_set("randompid", "many"));
  CHECK_EQ(errno, EINVAL);
}

TEST(P5_last_pid_is_told_and_cannot_be_written) {
  for (int i = 0; i < 20; i++) {
    const pid_t pid = pid_of_new_process();
    CHECK_EQ(setting("lastpid"), pid);
  }
  Gate done;   // a table's limit cannot be set below what root needs
  pid_t few[5];
  for (pid_t& child : few) child = start_child([&] { done.wait(); });
  const long long last = setting("lastpid");
  CHECK(!try_set("lastpid", "500"));
  int value = 500;
  CHECK_ERRNO(sysctlbyname("kern.lastpid", nullptr, nullptr, &value, sizeof value), EPERM);
  CHECK_EQ(setting("lastpid"), last);
  // A fork that fails has taken none.
  {
    const ChangedSetting full("maxproc", settled("nprocs"));
    CHECK_ERRNO(fork(), EAGAIN);
  }
  CHECK_EQ(setting("lastpid"), last);
  for (size_t i = 0; i < 5; i++) done.open();
  for (pid_t child : few) CHECK_EQ(wait_for(child), 0);
}

TEST(P11_largest_pid_is_99999_by_default) {
  CHECK_EQ(setting("pid_max"), kPidMax);
  CHECK(!try_set("pid_max", "200000"));   // at boot only
  CHECK_EQ(setting("pid_max"), kPidMax);
}

// The least time that a look-up of each of these takes; the host may take the CPU away at any moment, but not always.
TEST(K3_finding_a_process_costs_the_same_among_many) {
  constexpr int kFew = 8, kMany = 800;
  static pid_t children[kMany];
  int made = 0;
  const auto grow = [&](int count) {
    for (; made < count; made++) {
      children[made] = start_child([] {
        for (;;) pause();
      });
    }
  };
  const auto least = [&] {
    int64_t best = INT64_MAX;
    for (int round = 0; round < 20; round++) {
      const int64_t began = now_ns();
      for (int i = 0; i < 400; i++) CHECK_OK(kill(children[i % made], 0));
      const int64_t took = now_ns() - began;
      if (took < best) best = took;
    }
    return best;
  };
  grow(kFew);
  const int64_t few = least();
  grow(kMany);
  const int64_t many = least();
  for (pid_t child : children) {
    CHECK_OK(kill(child, SIGKILL));
    CHECK_EQ(wait_for(child), 128 + SIGKILL);
    CHECK_ERRNO(kill(child, 0), ESRCH);
  }
  // A search through all of them would take a hundred times as long.
  if (many > 6 * few) fail(__FILE__, __LINE__, "%lld ns among %d, %lld ns among %d", static_cast<long long>(few), kFew,
                           static_cast<long long>(many), kMany);
}
