// SPDX-License-Identifier: BSD-2-Clause
// What every measurement needs: a clock, medians, and a line for each result. A file of bench/ holds one idea and
// registers its measurements with BENCHMARK; the program runs on Tine and on Linux and uses only Linux calls.
//
// Output: "run NAME" when a measurement begins, then for each of its results "NAME UNIT VALUE", or "skip WHY".
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

namespace bench {

inline constexpr size_t kPage = 4096;
inline constexpr size_t kMiB = 1 << 20;

// Units of results.
inline constexpr char kNanoseconds[] = "ns";  // under -icount: instructions
inline constexpr char kBytes[] = "bytes";
inline constexpr char kCount[] = "count";
inline constexpr char kPerSecond[] = "per-second";

// Two functions of their own, so that a trace of the machine shows where a measured stretch begins and ends. Both
// return the monotonic clock in nanoseconds.
extern "C" int64_t bench_clock_start();
extern "C" int64_t bench_clock_stop();

// Time since it was made, less what the clock itself takes.
class Stopwatch {
 public:
  Stopwatch() : began_(bench_clock_start()) {}
  int64_t elapsed() const;

 private:
  int64_t began_;
};

// The machine that a measurement runs in; a run of `./tine bench` boots one for each that is needed.
enum class Clock { Counted, Real };  // instructions where the run allows it, or always real time
enum class Boot { Shared, Fresh };   // fresh: what kernels keep in stock after earlier measurements would be in the way
struct Machine {
  int cpus;
  int memory_mib;
  Clock clock = Clock::Counted;
  Boot boot = Boot::Shared;
};
inline constexpr Machine kUsual = {1, 2048}, kSixGib = {1, 6144};
inline constexpr Machine kFresh = {1, 2048, Clock::Counted, Boot::Fresh};

struct Benchmark {
  Benchmark(const char* name, Machine machine, void (*run)());
  const char* name;
  Machine machine;
  void (*run)();
  Benchmark* next = nullptr;
};

#define BENCHMARK(id, name, machine, ...) const ::bench::Benchmark id(name, machine, [] { __VA_ARGS__ })

// One result line. `part` (may be null) tells the results of one measurement apart: NAME.PART.
void report(const char* part, const char* unit, int64_t value);

[[noreturn]] void give_up(const char* what);  // with errno's text

// Sorts, and returns the middle one.
int64_t middle_of(int64_t* values, size_t count);

// QEMU fits the size of its own TLB to what was used in the last tenth of a second, and every flush costs by that size: in real
// time a measurement would pay for the much memory that was written before it. Sleeps until that is forgotten; counted, sleep
// is free.
void let_emulator_settle();

// True from the start when the program was told to repeat one measurement for ever, for a trace.
bool repeats_for_ever();

// The median of `kRounds` rounds of measure(), which returns nanoseconds; one round before them warms up.
template <size_t kRounds, class Measure>
int64_t median(Measure measure) {
  int64_t took[kRounds];
  do {
    measure();
  } while (repeats_for_ever());
  for (int64_t& each : took) each = measure();
  return middle_of(took, kRounds);
}

template <size_t kRounds, class Measure>
void report_median(Measure measure) {
  report(nullptr, kNanoseconds, median<kRounds>(measure));
}

}  // namespace bench
