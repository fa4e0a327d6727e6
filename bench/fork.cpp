// SPDX-License-Identifier: BSD-2-Clause
// fork() in the parent, and fork + exit + wait, against what the parent owns: resident memory, mappings, descriptors,
// threads.
#include <pthread.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "forks.h"

namespace bench {
namespace {

// Where fork() alone is the work of 100 million instructions, few rounds must do: they hardly differ.
template <size_t kMegabytes>
inline constexpr size_t kRoundsFor = kMegabytes < 64 ? 51 : kMegabytes < 1024 ? 11 : 3;

template <size_t kMegabytes>
void fork_resident() {
  const Touched memory(kMegabytes * kMiB + kPage);
  report_median<kRoundsFor<kMegabytes>>(fork_once);
}

template <size_t kMegabytes>
void fork_exit_wait_resident() {
  const Touched memory(kMegabytes * kMiB + kPage);
  report_median<kRoundsFor<kMegabytes>>(fork_exit_wait_once);
}

// 0 MiB is the process as it is: nothing but its own program touched.
BENCHMARK(fork_0, "fork-0M", kUsual, report_median<101>(fork_once););
BENCHMARK(fork_1, "fork-1M", kUsual, fork_resident<1>(););
BENCHMARK(fork_16, "fork-16M", kUsual, fork_resident<16>(););
BENCHMARK(fork_64, "fork-64M", kUsual, fork_resident<64>(););
BENCHMARK(fork_256, "fork-256M", kUsual, fork_resident<256>(););
BENCHMARK(fork_1024, "fork-1024M", kUsual, fork_resident<1024>(););
BENCHMARK(fork_4096, "fork-4096M", kSixGib, fork_resident<4096>(););

BENCHMARK(life_0, "fork-exit-wait-0M", kUsual, report_median<101>(fork_exit_wait_once););
BENCHMARK(life_1, "fork-exit-wait-1M", kUsual, fork_exit_wait_resident<1>(););
BENCHMARK(life_16, "fork-exit-wait-16M", kUsual, fork_exit_wait_resident<16>(););
BENCHMARK(life_64, "fork-exit-wait-64M", kUsual, fork_exit_wait_resident<64>(););
BENCHMARK(life_256, "fork-exit-wait-256M", kUsual, fork_exit_wait_resident<256>(););
BENCHMARK(life_1024, "fork-exit-wait-1024M", kUsual, fork_exit_wait_resident<1024>(););
BENCHMARK(life_4096, "fork-exit-wait-4096M", kSixGib, fork_exit_wait_resident<4096>(););

// The best case of a kernel with huge pages: all of the memory in them.
template <int64_t (*kOnce)()>
void huge_resident() {
  const Touched memory(1024 * kMiB, Touched::Pages::Huge);
  report_median<kRoundsFor<1024>>(kOnce);
}
BENCHMARK(fork_huge, "fork-1024M-huge", kUsual, huge_resident<fork_once>(););
BENCHMARK(life_huge, "fork-exit-wait-1024M-huge", kUsual, huge_resident<fork_exit_wait_once>(););

// Mappings of one touched page each, that cannot merge with their neighbours.
template <size_t kCount>
void fork_mappings() {
  const size_t size = 2 * kCount * kPage;
  char* const at = static_cast<char*>(mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (at == MAP_FAILED) give_up("mmap");
  for (size_t i = 0; i < kCount; i++) {
    if (mprotect(at + 2 * i * kPage, kPage, PROT_READ | PROT_WRITE) != 0) give_up("mprotect");
    at[2 * i * kPage] = 1;
  }
  report_median<(kCount < 10'000 ? 11 : 3)>(fork_once);
  munmap(at, size);
}

BENCHMARK(mappings_100, "fork-100-mappings", kUsual, fork_mappings<100>(););
BENCHMARK(mappings_1000, "fork-1000-mappings", kUsual, fork_mappings<1'000>(););
BENCHMARK(mappings_20000, "fork-20000-mappings", kUsual, fork_mappings<20'000>(););

template <int kCount>
void fork_descriptors() {
  const rlimit many = {kCount + 100, kCount + 100};
  if (setrlimit(RLIMIT_NOFILE, &many) != 0) give_up("setrlimit");
  const int first = dup(0);
  for (int i = first + 1; i < kCount; i++) {
    if (dup(0) < 0) give_up("dup");
  }
  report_median<11>(fork_once);
  for (int i = first; i < kCount; i++) close(i);
}

BENCHMARK(descriptors_1000, "fork-1000-descriptors", kUsual, fork_descriptors<1'000>(););
BENCHMARK(descriptors_10000, "fork-10000-descriptors", kUsual, fork_descriptors<10'000>(););

// Threads that sleep in the parent; the child gets none of them.
class Sleepers {
 public:
  explicit Sleepers(size_t count) : count_(count) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, 64 << 10);
    pthread_mutex_lock(&gate_);
    for (size_t i = 0; i < count_; i++) {
      if (pthread_create(&threads_[i], &attributes, sleep_at_gate, this) != 0) give_up("pthread_create");
    }
  }
  ~Sleepers() {
    pthread_mutex_unlock(&gate_);
    for (size_t i = 0; i < count_; i++) pthread_join(threads_[i], nullptr);
  }

 private:
  static void* sleep_at_gate(void* self) {
    auto* const gate = &static_cast<Sleepers*>(self)->gate_;
    pthread_mutex_lock(gate);
    pthread_mutex_unlock(gate);
    return nullptr;
  }
  static constexpr size_t kMost = 256;
  size_t count_;
  pthread_t threads_[kMost];
  pthread_mutex_t gate_ = PTHREAD_MUTEX_INITIALIZER;
};

template <size_t kCount>
void fork_threads() {
  const Sleepers others(kCount - 1);  // the caller is one
  report_median<11>(fork_once);
}

BENCHMARK(threads_16, "fork-16-threads", kUsual, fork_threads<16>(););
BENCHMARK(threads_256, "fork-256-threads", kUsual, fork_threads<256>(););

}  // namespace
}  // namespace bench
