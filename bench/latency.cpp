// SPDX-License-Identifier: BSD-2-Clause
// Single steps of a kernel: a system call, a switch, a pipe's round trip, a page fault, a mapping.
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forks.h"

namespace bench {
namespace {

// The time of each of kTimes runs of step(), in one stretch.
template <int64_t kTimes, class Step>
int64_t each_of(Step step) {
  const Stopwatch watch;
  for (int64_t i = 0; i < kTimes; i++) step();
  return watch.elapsed() / kTimes;
}

BENCHMARK(call, "getppid", kUsual, report_median<11>([] { return each_of<1'000>([] { syscall(SYS_getppid); }); }););

// A byte to the other process and one back: two writes, two reads and two switches.
void pipe_ping_pong() {
  int to_child[2], from_child[2];
  if (pipe(to_child) != 0 || pipe(from_child) != 0) give_up("pipe");
  const pid_t child = fork_or_give_up();
  if (child == 0) {
    close(to_child[1]);
    char byte;
    while (read(to_child[0], &byte, 1) == 1) (void)!write(from_child[1], &byte, 1);
    _exit(0);
  }
  report_median<11>([&] {
    return each_of<1'000>([&] {
      char byte = 'x';
      if (write(to_child[1], &byte, 1) != 1 || read(from_child[0], &byte, 1) != 1) give_up("pipe");
    });
  });
  close(to_child[1]);
  waitpid(child, nullptr, 0);
  close(to_child[0]);
  close(from_child[0]);
  close(from_child[1]);
}
BENCHMARK(ping_pong, "pipe-ping-pong", kUsual, pipe_ping_pong(););

// Two processes that only yield to each other: each call of one is a switch there, the call of the other a switch back.
void context_switch() {
  int stop[2];
  if (pipe2(stop, O_NONBLOCK) != 0) give_up("pipe2");
  const pid_t child = fork_or_give_up();
  if (child == 0) {
    for (;;) {
      for (int i = 0; i < 64; i++) sched_yield();
      char byte;
      if (read(stop[0], &byte, 1) == 1) _exit(0);
    }
  }
  report_median<11>([] { return each_of<1'000>([] { sched_yield(); }) / 2; });
  (void)!write(stop[1], "x", 1);
  waitpid(child, nullptr, 0);
  close(stop[0]);
  close(stop[1]);
}
BENCHMARK(switching, "context-switch", kUsual, context_switch(););

constexpr size_t kFaulted = 1'000;

int64_t touch_pages(char* at) {
  const Stopwatch watch;
  for (size_t i = 0; i < kFaulted; i++) static_cast<void>(*static_cast<volatile char*>(at + i * kPage) = 1);
  return watch.elapsed() / static_cast<int64_t>(kFaulted);
}

// The first write to a fresh page; the kernel must find, clear and map it.
int64_t anonymous_fault_once() {
  void* const at = mmap(nullptr, kFaulted * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) give_up("mmap");
  const int64_t took = touch_pages(static_cast<char*>(at));
  munmap(at, kFaulted * kPage);
  return took;
}
BENCHMARK(anonymous, "fault-anonymous", kUsual, report_median<11>(anonymous_fault_once););

// The first write through a shared mapping to a page that the file holds already.
void file_fault() {
  const int file = open("/tmp/bench-file", O_RDWR | O_CREAT | O_TRUNC, 0600);
  if (file < 0) give_up("open");
  static char page[kPage];
  memset(page, 'x', sizeof page);
  for (size_t i = 0; i < kFaulted; i++) {
    if (write(file, page, sizeof page) != static_cast<ssize_t>(sizeof page)) give_up("write");
  }
  report_median<11>([&] {
    void* const at = mmap(nullptr, kFaulted * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (at == MAP_FAILED) give_up("mmap");
    const int64_t took = touch_pages(static_cast<char*>(at));
    munmap(at, kFaulted * kPage);
    return took;
  });
  close(file);
  unlink("/tmp/bench-file");
}
BENCHMARK(filed, "fault-file", kUsual, file_fault(););

BENCHMARK(mapping, "mmap-munmap", kUsual, report_median<11>([] {
            return each_of<100>([] {
              void* const at = mmap(nullptr, 16 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
              if (at == MAP_FAILED || munmap(at, 16 * kPage) != 0) give_up("mmap");
            });
          }););

}  // namespace
}  // namespace bench
