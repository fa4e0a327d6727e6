// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// No memory left: the process that has most is killed, whoever asks for the page that is not there; the others go on.
// (Linux does the same, but takes a minute to fill its memory in an emulated machine.)
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "check.h"

namespace {

constexpr size_t kPart = 16 << 20;

char* map_part() {
  void* part = mmap(nullptr, kPart, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return part == MAP_FAILED ? nullptr : static_cast<char*>(part);
}

// Somebody small, who keeps asking for pages and giving them back.
pid_t start_bystander(volatile unsigned long& rounds) {
  return start_child([&] {
    for (;;) {
      char* part = map_part();
      for (size_t at = 0; part && at < 1 << 20; at += 4096) part[at] = 1;
      if (part) munmap(part, kPart);
      rounds = rounds + 1;
      sleep_ms(1);
    }
  });
}

void check_lives_on(pid_t bystander, const volatile unsigned long& rounds) {
  const unsigned long before = rounds;
  CHECK(eventually([&] { return rounds > before + 2; }));
  CHECK_OK(kill(bystander, SIGKILL));
  CHECK_EQ(wait_for(bystander), 128 + SIGKILL);
}

}  // namespace

TEST(who_has_most_memory_is_killed_when_none_is_left) {
  auto& rounds = shared<unsigned long>();
  const pid_t bystander = start_bystander(rounds);
  CHECK_EQ(in_child([] {
             while (char* part = map_part())
               for (size_t at = 0; at < kPart; at += 4096) part[at] = 1;
           }),
           128 + SIGKILL);
  check_lives_on(bystander, rounds);
}

TEST(also_when_it_is_a_system_call_that_needs_the_page) {
  auto& rounds = shared<unsigned long>();
  const pid_t bystander = start_bystander(rounds);
  CHECK_EQ(in_child([] {
             const int zeros = CHECK_OK(open("/dev/zero", O_RDONLY));
             while (char* part = map_part())
               if (read(zeros, part, kPart) < 0) break;
           }),
           128 + SIGKILL);
  check_lives_on(bystander, rounds);
}
