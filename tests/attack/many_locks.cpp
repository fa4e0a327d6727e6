// SPDX-License-Identifier: BSD-2-Clause
// Many record locks of one file, and many descriptors in one poll.
#include <poll.h>

#include "attack.h"

namespace {

int lock(int file, int command, int type, off_t start, off_t length) {
  struct flock range = {};
  range.l_type = static_cast<short>(type);
  range.l_whence = SEEK_SET;
  range.l_start = start;
  range.l_len = length;
  return fcntl(file, command, &range);
}

}  // namespace

TEST(many_record_locks) {
  const int cpus = static_cast<int>(sysconf(_SC_NPROCESSORS_ONLN));   // asked here: an attacker sees its own CPU only
  withstand([=] {
    // As many as a user may have on all CPUs together, some for the children left out.
    constexpr const char* kBound = "/proc/sys/kern/maxlocksperuid";
    const int bound = access(kBound, R_OK) == 0 ? atoi(read_text(kBound)) : INT32_MAX;
    const int share = bound / cpus - 2'000;
    const int locks = share < 20'000 ? share : 20'000;
    CHECK(locks > 1'000);
    char path[64];
    snprintf(path, sizeof path, "/tmp/locks-%d", getpid());
    const int file = CHECK_OK(open(path, O_RDWR | O_CREAT, 0600));
    for (int i = 0; i < locks; i++) CHECK_OK(lock(file, F_SETLK, i % 4 == 0 ? F_WRLCK : F_RDLCK, 2 * i, 1));
    const pid_t child = fork();
    if (child == 0) {
      // Somebody else's: between them, and against all of them.
      for (int i = 0; i < 1000; i++) CHECK_OK(lock(file, F_SETLK, F_WRLCK, 2 * i + 1, 1));
      CHECK_ERRNO(lock(file, F_SETLK, F_WRLCK, 0, 0), EAGAIN);
      _exit(0);
    }
    int status = 0;
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(status, 0);
    CHECK_OK(lock(file, F_SETLK, F_UNLCK, 1, locks));
    close(file);
  });
}

TEST(a_poll_of_very_many_descriptors) {
  constexpr nfds_t kMany = 600'000;
  const rlimit files = {1 << 20, 1 << 20};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &files));
  withstand([] {
    pollfd* requests = static_cast<pollfd*>(
        mmap(nullptr, kMany * sizeof(pollfd), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK(requests != MAP_FAILED);
    int ends[2];
    CHECK_OK(pipe(ends));
    for (nfds_t i = 0; i < kMany; i++) requests[i] = {ends[0], POLLIN, 0};
    CHECK_EQ(poll(requests, kMany, 0), 0);
    CHECK_EQ(poll(requests, kMany, 20), 0);
  });
}
