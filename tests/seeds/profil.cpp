// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Seed row C5: profil(2). The counters of a process move where its program counter is, in a forked child too, and no
// longer after exec.
#include <pthread.h>
#include <sys/syscall.h>
#include <tine/syscall.h>

#include "check.h"

extern "C" const char __executable_start[];   // the linker's

namespace {

constexpr size_t kBytes = 1 << 16;
constexpr unsigned kOnePerTwoBytes = 1u << 16;

// At the same address in a new program.
uint16_t counters[kBytes / 2];

int profile(void* into, size_t size, uintptr_t offset, unsigned scale) {
  return static_cast<int>(syscall(TINE_SYS_profil, into, size, offset, scale));
}

// Two places to be at, a long way from each other as a histogram sees it.
[[gnu::noinline, gnu::aligned(4096)]] void spin_here(const volatile bool& stop) {
  while (!stop) asm volatile("");
}
[[gnu::noinline, gnu::aligned(4096)]] void spin_there(const volatile bool& stop) {
  while (!stop) asm volatile("");
}
uintptr_t address_of(void (*function)(const volatile bool&)) { return reinterpret_cast<uintptr_t>(function); }

uint64_t sum(size_t from = 0, size_t to = kBytes) {
  uint64_t total = 0;
  for (size_t i = from / 2; i < to / 2; i++) total += __atomic_load_n(&counters[i], __ATOMIC_RELAXED);
  return total;
}

int64_t cpu_ms() {
  timespec used;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
  return used.tv_sec * 1000 + used.tv_nsec / 1'000'000;
}

// Uses so much CPU time in user mode, in a function of its own.
[[gnu::noinline]] void use_cpu(int64_t milliseconds) {
  for (const int64_t end = cpu_ms() + milliseconds; cpu_ms() < end;)
    for (int i = 0; i < 100'000; i++) asm volatile("");
}

void profile_all_of_the_program() {
  memset(counters, 0, sizeof counters);
  // 4 MiB of program: a counter for each 128 bytes.
  CHECK_EQ(profile(counters, sizeof counters, reinterpret_cast<uintptr_t>(__executable_start), kOnePerTwoBytes >> 6), 0);
}

}  // namespace

TEST(C5_profil_counts_where_the_program_is) {
  volatile bool stop = false;
  static volatile bool* const the_stop = &stop;
  // Counters for spin_there, no others.
  CHECK_EQ(profile(counters, 32, address_of(spin_there), kOnePerTwoBytes), 0);
  pthread_t other;
  const auto stop_soon = [](void*) -> void* {
    sleep_ms(100);
    *the_stop = true;
    return nullptr;
  };
  CHECK_EQ(pthread_create(&other, nullptr, stop_soon, nullptr), 0);
  spin_here(stop);
  CHECK_EQ(pthread_join(other, nullptr), 0);
  CHECK_EQ(sum(), 0u);

  stop = false;
  CHECK_EQ(pthread_create(&other, nullptr, stop_soon, nullptr), 0);
  spin_there(stop);
  CHECK_EQ(pthread_join(other, nullptr), 0);
  CHECK(sum(0, 32) > 0);
  CHECK_EQ(sum(32), 0u);
}

TEST(C5_profil_ticks_a_thousand_times_a_second) {
  const int64_t before = cpu_ms();
  profile_all_of_the_program();
  use_cpu(300);
  CHECK_EQ(profile(nullptr, 0, 0, 0), 0);
  const uint64_t used = static_cast<uint64_t>(cpu_ms() - before);
  CHECK(sum() >= used / 2);
  CHECK(sum() <= used + used / 2 + 5);
}

TEST(C5_profil_ends_with_scale_0) {
  profile_all_of_the_program();
  use_cpu(20);
  CHECK(sum() > 0);
  CHECK_EQ(profile(counters, sizeof counters, 0, 0), 0);
  const uint64_t at_end = sum();
  use_cpu(50);
  CHECK_EQ(sum(), at_end);
}

TEST(C5_profil_goes_on_in_a_forked_child) {
  profile_all_of_the_program();
  CHECK_EQ(in_child([] {
    // The child's memory is a copy, and so are its counters.
    memset(counters, 0, sizeof counters);
    use_cpu(50);
    CHECK(sum() > 0);
    CHECK_EQ(profile(nullptr, 0, 0, 0), 0);
    _exit(4);
  }), 4);
  // The child ended its own profiling only.
  memset(counters, 0, sizeof counters);
  use_cpu(50);
  CHECK(sum() > 0);
}

TEST(C5_profil_counts_all_threads) {
  profile_all_of_the_program();
  memset(counters, 0, sizeof counters);
  pthread_t other;
  CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
    use_cpu(100);
    return nullptr;
  }, nullptr), 0);
  CHECK_EQ(pthread_join(other, nullptr), 0);
  CHECK(sum() >= 20);
}

TEST(C5_profil_begins_in_threads_that_run_already) {
  static volatile bool runs = false, stop = false;
  pthread_t other;
  CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
    runs = true;
    spin_there(stop);
    return nullptr;
  }, nullptr), 0);
  CHECK(eventually([] { return runs; }));
  CHECK_EQ(profile(counters, 4096, address_of(spin_there), kOnePerTwoBytes), 0);
  CHECK(eventually([] { return sum() > 0; }));
  stop = true;
  CHECK_EQ(pthread_join(other, nullptr), 0);
}

TEST(C5_profil_ends_at_exec) {
  if (getenv("AFTER_EXEC") != nullptr) {
    use_cpu(50);
    CHECK_EQ(sum(), 0u);
    return;
  }
  profile_all_of_the_program();
  setenv("AFTER_EXEC", "1", 1);
  execl("/proc/self/exe", "profil", "C5_profil_ends_at_exec", static_cast<char*>(nullptr));
  CHECK(false);
}

TEST(C5_profil_refuses_what_makes_no_sense) {
  CHECK_ERRNO(profile(counters, sizeof counters, 0, kOnePerTwoBytes + 1), EINVAL);
  CHECK_ERRNO(profile(reinterpret_cast<void*>(-4096l), 4096, 0, 1), EFAULT);
  // Counters that are not there are found out at the first tick, which ends it; the program goes on.
  CHECK_EQ(profile(reinterpret_cast<void*>(4096), 1 << 16, 0, 1), 0);
  use_cpu(30);
}
