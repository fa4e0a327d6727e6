// SPDX-License-Identifier: BSD-2-Clause
// The benchmark program: `bench NAME...` runs these measurements, `bench --list` prints "NAME CPUS MIB CLOCK BOOT" for each,
// `bench --repeat NAME` goes round in the first loop of one for ever.
#include "harness.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

namespace bench {

namespace {

Benchmark* first = nullptr;
Benchmark** last = &first;
const char* running = nullptr;
bool repeat = false;
int64_t clock_cost = 0;

int64_t monotonic() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

void calibrate_clock() {
  int64_t took[101];
  for (int64_t& each : took) each = Stopwatch().elapsed();
  clock_cost = middle_of(took, sizeof took / sizeof *took);
}

const Benchmark* find(const char* name) {
  for (const Benchmark* each = first; each != nullptr; each = each->next) {
    if (strcmp(each->name, name) == 0) return each;
  }
  fprintf(stderr, "bench: there is no measurement '%s'\n", name);
  exit(2);
}

}  // namespace

extern "C" [[gnu::noinline]] int64_t bench_clock_start() { return monotonic(); }
extern "C" [[gnu::noinline]] int64_t bench_clock_stop() { return monotonic(); }

int64_t Stopwatch::elapsed() const { return bench_clock_stop() - began_ - clock_cost; }

Benchmark::Benchmark(const char* name, Machine machine, void (*run)()) : name(name), machine(machine), run(run) {
  *last = this;
  last = &next;
}

void report(const char* part, const char* unit, int64_t value) {
  printf("%s%s%s %s %lld\n", running, part != nullptr ? "." : "", part != nullptr ? part : "", unit,
         static_cast<long long>(value));
}

void give_up(const char* what) {
  fprintf(stderr, "bench: %s: %s: %s\n", running != nullptr ? running : "", what, strerror(errno));
  exit(1);
}

int64_t middle_of(int64_t* values, size_t count) {
  qsort(values, count, sizeof *values, [](const void* left, const void* right) {
    const int64_t a = *static_cast<const int64_t*>(left), b = *static_cast<const int64_t*>(right);
    return a < b ? -1 : a > b;
  });
  return values[count / 2];
}

void let_emulator_settle() {
  for (int i = 0; i < 3; i++) usleep(110'000);
}

bool repeats_for_ever() { return repeat; }

}  // namespace bench

int main(int count, char** arguments) {
  using namespace bench;
  // Kernels start a stack at a random place in its page. All frames from here on start at a page's end, so that what is
  // written between two forks lies in as many pages in each run.
  const auto here = reinterpret_cast<uintptr_t>(__builtin_frame_address(0));
  asm volatile("" ::"r"(__builtin_alloca(here % kPage)) : "memory");
  if (count == 2 && strcmp(arguments[1], "--list") == 0) {
    for (const Benchmark* each = first; each != nullptr; each = each->next)
      printf("%s %d %d %s %s\n", each->name, each->machine.cpus, each->machine.memory_mib,
             each->machine.clock == Clock::Real ? "real" : "counted",
             each->machine.boot == Boot::Fresh ? each->name : "shared");
    return 0;
  }
  setvbuf(stdout, nullptr, _IOLBF, 0);
  int at = 1;
  if (count > 1 && strcmp(arguments[1], "--repeat") == 0) {
    repeat = true;
    at++;
  }
  calibrate_clock();
  for (; at < count; at++) {
    const Benchmark* const each = find(arguments[at]);
    running = each->name;
    printf("run %s\n", running);
    let_emulator_settle();
    each->run();
    fflush(stdout);
  }
}
