// SPDX-License-Identifier: BSD-2-Clause
// What process creation costs. `bench [NAME...]` prints a line "NAME NANOSECONDS" for each measurement: the median of
// several rounds, by the monotonic clock. Under QEMU's -icount, where an instruction is a nanosecond, it repeats.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr size_t kPage = 4096;
constexpr size_t kMiB = 1 << 20;

int64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

[[noreturn]] void give_up(const char* what) {
  fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
  exit(1);
}

template <size_t kRounds, class Measure>
int64_t median(Measure measure) {
  int64_t took[kRounds];
  measure();  // warms up
  for (int64_t& each : took) each = measure();
  qsort(took, kRounds, sizeof took[0], [](const void* left, const void* right) {
    const int64_t a = *static_cast<const int64_t*>(left), b = *static_cast<const int64_t*>(right);
    return a < b ? -1 : a > b;
  });
  return took[kRounds / 2];
}

pid_t fork_or_give_up() {
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  return child;
}

// The time of fork() in the parent; of the child, only that it is gone before the next round.
int64_t fork_once() {
  const int64_t began = now_ns();
  const pid_t child = fork_or_give_up();
  if (child == 0) _exit(0);
  const int64_t took = now_ns() - began;
  waitpid(child, nullptr, 0);
  return took;
}

int64_t fork_exit_wait_once() {
  const int64_t began = now_ns();
  const pid_t child = fork_or_give_up();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return now_ns() - began;
}

// Memory that was touched, for as long as this lives.
class Touched {
 public:
  explicit Touched(size_t size) : size_(size) {
    at_ = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (at_ == MAP_FAILED) give_up("mmap");
    write_all();
  }
  ~Touched() { munmap(at_, size_); }
  void write_all() {
    for (size_t offset = 0; offset < size_; offset += kPage) at_[offset]++;
  }

 private:
  char* at_;
  size_t size_;
};

int64_t fork_tiny() { return median<101>(fork_once); }
int64_t fork_exit_wait_tiny() { return median<101>(fork_exit_wait_once); }

template <size_t kMegabytes>
int64_t fork_touched() {
  const Touched memory(kMegabytes * kMiB);
  return median<5>(fork_once);
}
template <size_t kMegabytes>
int64_t fork_exit_wait_touched() {
  const Touched memory(kMegabytes * kMiB);
  return median<5>(fork_exit_wait_once);
}

int64_t fork_20000_mappings() {
  constexpr size_t kCount = 20'000;
  char* const at = static_cast<char*>(mmap(nullptr, 2 * kCount * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (at == MAP_FAILED) give_up("mmap");
  for (size_t i = 0; i < kCount; i++) {
    if (mprotect(at + 2 * i * kPage, kPage, PROT_READ | PROT_WRITE) != 0) give_up("mprotect");
    at[2 * i * kPage] = 1;
  }
  const int64_t took = median<5>(fork_once);
  munmap(at, 2 * kCount * kPage);
  return took;
}

int64_t fork_10000_descriptors() {
  const rlimit many = {10'100, 10'100};
  if (setrlimit(RLIMIT_NOFILE, &many) != 0) give_up("setrlimit");
  const int first = dup(0);
  for (int i = first + 1; i < 10'000; i++) {
    if (dup(0) < 0) give_up("dup");
  }
  const int64_t took = median<5>(fork_once);
  for (int i = first; i < 10'000; i++) close(i);
  return took;
}

int64_t rewrite_256m_after_child() {
  Touched memory(256 * kMiB);
  return median<3>([&] {
    fork_exit_wait_once();
    const int64_t began = now_ns();
    memory.write_all();
    return now_ns() - began;
  });
}

int64_t vfork_exit_wait() {
  return median<101>([] {
    const int64_t began = now_ns();
    const pid_t child = vfork();
    if (child == 0) _exit(0);
    if (child < 0) give_up("vfork");
    waitpid(child, nullptr, 0);
    return now_ns() - began;
  });
}

int64_t thread_create_join() {
  return median<101>([] {
    const int64_t began = now_ns();
    pthread_t thread;
    if (pthread_create(&thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr) != 0) give_up("thread");
    pthread_join(thread, nullptr);
    return now_ns() - began;
  });
}

int64_t spawn_wait() {
  return median<21>([] {
    static char program[] = "/bin/busybox", applet[] = "true";
    char* const arguments[] = {applet, nullptr};
    const int64_t began = now_ns();
    pid_t child;
    if (posix_spawn(&child, program, nullptr, nullptr, arguments, environ) != 0) give_up("posix_spawn");
    waitpid(child, nullptr, 0);
    return now_ns() - began;
  });
}

int64_t getppid_call() {
  constexpr int kCalls = 1000;
  return median<11>([] {
    const int64_t began = now_ns();
    for (int i = 0; i < kCalls; i++) syscall(SYS_getppid);
    return (now_ns() - began) / kCalls;
  });
}

struct Benchmark {
  const char* name;
  int64_t (*run)();
};
constexpr Benchmark kBenchmarks[] = {
    {"fork-tiny", fork_tiny},
    {"fork-256M", fork_touched<256>},
    {"fork-1G", fork_touched<1024>},
    {"fork-20000-mappings", fork_20000_mappings},
    {"fork-10000-descriptors", fork_10000_descriptors},
    {"fork-exit-wait-tiny", fork_exit_wait_tiny},
    {"fork-exit-wait-1G", fork_exit_wait_touched<1024>},
    {"rewrite-256M-after-child", rewrite_256m_after_child},
    {"vfork-exit-wait", vfork_exit_wait},
    {"thread-create-join", thread_create_join},
    {"spawn-wait", spawn_wait},
    {"getppid", getppid_call},
};

}  // namespace

int main(int count, char** arguments) {
  if (count == 2 && strcmp(arguments[1], "--list") == 0) {
    for (const Benchmark& each : kBenchmarks) puts(each.name);
    return 0;
  }
  setvbuf(stdout, nullptr, _IOLBF, 0);
  for (const Benchmark& each : kBenchmarks) {
    bool wanted = count < 2;
    for (int i = 1; i < count; i++) wanted |= strcmp(arguments[i], each.name) == 0;
    if (wanted) printf("%s %lld\n", each.name, static_cast<long long>(each.run()));
  }
}
