// SPDX-License-Identifier: BSD-2-Clause
// The time from the machine's first instruction, firmware and all, to the first instruction of process 1's program.
#include "boot_clock.h"

#include <fcntl.h>
#include <unistd.h>
#include <x86intrin.h>

#include "harness.h"

namespace bench {
namespace {

// Time-stamp counts in a second, by the monotonic clock.
int64_t counter_frequency() {
  const int64_t began = bench_clock_start();
  const uint64_t from = __rdtsc();
  usleep(50'000);
  const uint64_t to = __rdtsc();
  return static_cast<int64_t>((to - from) * 1'000'000'000 / static_cast<uint64_t>(bench_clock_stop() - began));
}

BENCHMARK(boot, "boot", kUsual, {
  uint64_t stamp;
  const int note = open(kBootNote, O_RDONLY);
  if (note < 0 || read(note, &stamp, sizeof stamp) != sizeof stamp) give_up(kBootNote);
  close(note);
  report(nullptr, kNanoseconds, static_cast<int64_t>(stamp * 1'000'000 / static_cast<uint64_t>(counter_frequency() / 1'000)));
});

}  // namespace
}  // namespace bench
