// SPDX-License-Identifier: BSD-2-Clause
// How long choosing a process id takes when none, half, 99 and 99.99 % of them are taken, in both modes and two sizes of the
// space: the kernel's own code, on the host. Each round takes a number, then releases another, so that the quarantine turns
// too. Seed row P9.
#include "process/pid_space.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <vector>

namespace tine {

// Plain and fast: the choice is measured, not the generator.
static uint64_t state = 88172645463325252;
uint64_t random_u64() {
  state ^= state << 13;
  state ^= state >> 7;
  return state ^= state << 17;
}
uint64_t random_below(uint64_t bound) {
  return static_cast<uint64_t>(static_cast<unsigned __int128>(random_u64()) * bound >> 64);
}

void assertion_failed(const char*, const char*, int) { std::abort(); }

namespace {

using process::PidMode;
using process::PidSpace;

// Arguments: pid_max, how many of 10,000 are taken.
void choose_pid(benchmark::State& bench, PidMode mode) {
  const auto pid_max = static_cast<uint32_t>(bench.range(0));
  std::vector<uint64_t> storage(IdSpace::storage_bytes(pid_max) / 8 + 1);
  PidSpace<> pids(IdSpace(1, pid_max, std::as_writable_bytes(std::span(storage))));
  pids.mode = mode;

  std::vector<uint32_t> taken(pid_max - 1);
  for (uint32_t i = 0; i < taken.size(); ++i) taken[i] = i + 2;
  std::shuffle(taken.begin(), taken.end(), std::mt19937(1));
  const auto free = static_cast<size_t>(static_cast<double>(pid_max) * static_cast<double>(10'000 - bench.range(1)) / 10'000);
  // The quarantine takes its part of what is free; a number is always left.
  taken.resize(std::max<size_t>(taken.size() - std::clamp<size_t>(free, 2 + pids.kLeastQuarantine, taken.size()), 1));
  pids.take(1);
  pids.use(1);
  for (const uint32_t number : taken) pids.take(number);

  size_t next = 0;
  for (auto _ : bench) {
    const uint32_t number = pids.choose();
    pids.take(number);
    pids.use(number);
    pids.release(std::exchange(taken[next], number));
    next = next + 1 == taken.size() ? 0 : next + 1;
  }
}

void sizes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"pid_max", "taken_of_10000"});
  for (const int64_t pid_max : {99'999, 4'194'304})
    for (const int64_t taken : {0, 5'000, 9'900, 9'999}) bench->Args({pid_max, taken});
}

BENCHMARK_CAPTURE(choose_pid, random, PidMode::Random)->Apply(sizes);
BENCHMARK_CAPTURE(choose_pid, sequential, PidMode::Sequential)->Apply(sizes);

}  // namespace
}  // namespace tine

BENCHMARK_MAIN();
