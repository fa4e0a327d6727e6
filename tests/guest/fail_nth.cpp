// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Files and memory when every allocation of a call fails once: it must say so and leave everything as it was. What makes
// processes is in fail_nth_fork.cpp.
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <tine/syscall.h>

#include "fail_nth.h"

namespace {

constexpr int kDescriptor = 100;   // in a part of the table that no lower one is in

bool is_closed() { return fcntl(kDescriptor, F_GETFD) == -1 && errno == EBADF; }
bool is_marked() { return fcntl(kDescriptor, F_GETFD) == FD_CLOEXEC; }

// What `call` gives while a forked child shares the table: a change of it copies a part first.
template <class Call>
Outcome with_shared_table(Call call) {
  const pid_t child = start_child([] {
    for (;;) pause();
  });
  const Outcome outcome = call();
  CHECK_OK(kill(child, SIGKILL));
  CHECK_EQ(wait_for(child), 128 + SIGKILL);
  return outcome;
}

// A call that closes kDescriptor or marks it. Linux needs no memory for that; here a part of the table is copied, as a forked
// child shares it. So the call cannot fail, and has done its work.
void walk_shared_table(bool (*is_done)(), long number, long a, long b = 0, long c = 0) {
  Walk armed;
  int tolerated = 0;
  walk(0, [&](int n) {
    const int file = CHECK_OK(open("/dev/null", O_RDWR));
    CHECK_OK(dup2(file, kDescriptor));
    close(file);
    const Outcome outcome = with_shared_table([&] { return armed.at(n, number, a, b, c); });
    CHECK(outcome != Outcome::Failed);
    CHECK(is_done());
    tolerated += outcome == Outcome::Tolerated;
    close(kDescriptor);
    return outcome;
  });
  CHECK(tolerated >= 1);
}

}  // namespace

TEST(A1_pipe_at_every_site) {
  Walk armed;
  static int ends[2];
  walk(2, [&](int n) {
    const Outcome outcome = armed.at(n, SYS_pipe2, reinterpret_cast<long>(ends), O_CLOEXEC);
    for (const int end : ends)
      if (outcome != Outcome::Failed) CHECK_OK(close(end));
    return outcome;
  });
}

TEST(A1_mmap_at_every_site) {
  Walk armed;
  walk(1, [&](int n) {
    constexpr size_t kSize = 64 * 4096;
    // Protected like no neighbour: what becomes part of one needs no memory.
    const Outcome outcome = armed.at(n, SYS_mmap, 0, kSize, PROT_READ | PROT_WRITE | PROT_EXEC,
                                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1);
    if (outcome != Outcome::Failed) CHECK_OK(munmap(reinterpret_cast<void*>(armed.result()), kSize));
    return outcome;
  });
}

TEST(A1_open_at_every_site) {
  Walk armed;
  walk(2, [&](int n) {
    const Outcome outcome = armed.at(n, SYS_open, reinterpret_cast<long>("fail_nth.file"), O_CREAT | O_RDWR, 0600);
    if (outcome != Outcome::Failed) CHECK_OK(close(static_cast<int>(armed.result())));
    unlink("fail_nth.file");
    return outcome;
  });
}

TEST(A1_socketpair_at_every_site) {
  Walk armed;
  static int ends[2];
  walk(2, [&](int n) {
    const Outcome outcome = armed.at(n, SYS_socketpair, 1, 1, 0, reinterpret_cast<long>(ends));
    for (const int end : ends)
      if (outcome != Outcome::Failed) CHECK_OK(close(end));
    return outcome;
  });
}

TEST(A1_pipe_into_a_shared_table_at_every_site) {
  Walk armed;
  static int ends[2];
  walk(3, [&](int n) {
    const Outcome outcome = with_shared_table([&] { return armed.at(n, SYS_pipe2, reinterpret_cast<long>(ends), 0); });
    for (const int end : ends)
      if (outcome != Outcome::Failed) CHECK_OK(close(end));
    return outcome;
  });
}

TEST(A1_close_of_a_shared_table_at_every_site) { walk_shared_table(is_closed, SYS_close, kDescriptor); }
TEST(A1_close_range_of_a_shared_table_at_every_site) { walk_shared_table(is_closed, SYS_close_range, kDescriptor, kDescriptor); }
TEST(A1_closefrom_of_a_shared_table_at_every_site) { walk_shared_table(is_closed, TINE_SYS_closefrom, kDescriptor); }
TEST(A1_marking_in_a_shared_table_at_every_site) { walk_shared_table(is_marked, SYS_fcntl, kDescriptor, F_SETFD, FD_CLOEXEC); }
TEST(A1_marking_a_range_of_a_shared_table_at_every_site) {
  constexpr long kCloseOnExec = 4;   // CLOSE_RANGE_CLOEXEC
  walk_shared_table(is_marked, SYS_close_range, kDescriptor, kDescriptor, kCloseOnExec);
}

TEST(A1_dup2_over_another_in_a_shared_table_at_every_site) {
  static int other;
  other = CHECK_OK(open("/dev/zero", O_RDWR));
  const auto is_the_other = [] {
    struct stat a, b;
    return fstat(kDescriptor, &a) == 0 && fstat(other, &b) == 0 && a.st_rdev == b.st_rdev;
  };
  walk_shared_table(is_the_other, SYS_dup2, other, kDescriptor);
}
