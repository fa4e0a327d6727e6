// SPDX-License-Identifier: BSD-2-Clause
// What sharing memory costs after the fork: the parent writes to 256 MiB before a fork, while the child lives and after
// it is gone; a child's first write to scattered pages.
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forks.h"

namespace bench {
namespace {

constexpr size_t kRewritten = 256 * kMiB;

int64_t faults() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_minflt + usage.ru_majflt;
}

// A child that sleeps until this goes away.
class SleepingChild {
 public:
  SleepingChild() {
    if (pipe(gate_) != 0) give_up("pipe");
    child_ = fork_or_give_up();
    if (child_ != 0) return;
    close(gate_[1]);
    char byte;
    (void)!read(gate_[0], &byte, 1);
    _exit(0);
  }
  ~SleepingChild() {
    close(gate_[1]);
    close(gate_[0]);
    waitpid(child_, nullptr, 0);
  }

 private:
  int gate_[2];
  pid_t child_;
};

int64_t rewrite(Touched& memory) {
  const Stopwatch watch;
  memory.write_all();
  return watch.elapsed();
}

// The median time of rewriting after `prepare`, and the faults of the last round.
template <class Prepare>
void report_rewrites(Prepare prepare, Touched::Pages pages = Touched::Pages::Usual) {
  Touched memory(kRewritten, pages);
  int64_t faulted = 0;
  report_median<3>([&] {
    [[maybe_unused]] const auto held = prepare();
    const int64_t before = faults();
    const int64_t took = rewrite(memory);
    faulted = faults() - before;
    return took;
  });
  report("faults", kCount, faulted);
}

BENCHMARK(warm, "rewrite-256M-before-fork", kUsual, report_rewrites([] { return 0; }););
BENCHMARK(shared, "rewrite-256M-child-lives", kUsual, report_rewrites([] { return SleepingChild(); }););
BENCHMARK(gone, "rewrite-256M-child-gone", kUsual, report_rewrites([] { return fork_exit_wait_once(); }););
BENCHMARK(huge_shared, "rewrite-256M-huge-child-lives", kUsual,
          report_rewrites([] { return SleepingChild(); }, Touched::Pages::Huge););
BENCHMARK(huge_gone, "rewrite-256M-huge-child-gone", kUsual,
          report_rewrites([] { return fork_exit_wait_once(); }, Touched::Pages::Huge););

// The least that any copy-on-write must do for "child-lives": to copy as much memory, page by page.
void copy_alone() {
  const Touched from(kRewritten), to(kRewritten);
  report_median<3>([&] {
    const Stopwatch watch;
    for (size_t offset = 0; offset < kRewritten; offset += kPage) {
      void* target = to.at() + offset;
      const void* source = from.at() + offset;
      size_t words = kPage / 8;
      asm volatile("rep movsq" : "+D"(target), "+S"(source), "+c"(words)::"memory");
    }
    return watch.elapsed();
  });
}
BENCHMARK(copying, "copy-256M", kUsual, copy_alone(););

// One page in each 256 KiB of 256 MiB: every write meets a page table that is still shared, or one that was split for its
// neighbours. The child hands its time up through shared memory.
void first_writes() {
  constexpr size_t kWrites = 1'000, kStride = kRewritten / 1'024;
  Touched memory(kRewritten);
  auto* const took = static_cast<int64_t*>(
      mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  if (took == MAP_FAILED) give_up("mmap");
  report_median<5>([&] {
    const pid_t child = fork_or_give_up();
    if (child == 0) {
      const Stopwatch watch;
      for (size_t i = 0; i < kWrites; i++) *static_cast<volatile char*>(memory.at() + i * kStride) = 1;
      *took = watch.elapsed() / static_cast<int64_t>(kWrites);
      _exit(0);
    }
    waitpid(child, nullptr, 0);
    return *took;
  });
  munmap(took, kPage);
}
BENCHMARK(first, "child-first-write", kUsual, first_writes(););

}  // namespace
}  // namespace bench
