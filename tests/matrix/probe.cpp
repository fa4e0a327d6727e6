// SPDX-License-Identifier: BSD-2-Clause
// probe CPUS MIB DATE: whether this machine works as it should: so many CPUs that each run threads, about so much memory, a
// date that is the host's, clocks that go on together, and registers of x87, SSE and AVX that stay each thread's own. Says
// what is wrong, and ends with 0 only if nothing is. The CPU decides by itself which of its parts are tried.
#include <cpuid.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace {

int failures;  // added to atomically

void require(bool holds, const char* what, long long got = 0, long long wanted = 0) {
  if (holds) return;
  __atomic_fetch_add(&failures, 1, __ATOMIC_SEQ_CST);
  printf("probe: %s (%lld, wanted %lld)\n", what, got, wanted);
}

// CPUID says that there is AVX, and XCR0 that the kernel keeps its registers (SDM vol. 1, 14.3).
bool has_avx() {
  constexpr unsigned kXsaveEnabled = 1u << 27, kAvx = 1u << 28;
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || (c & (kXsaveEnabled | kAvx)) != (kXsaveEnabled | kAvx)) return false;
  unsigned low, high;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & 6) == 6;
}

struct alignas(32) Vector {
  uint64_t words[4];
};

// Puts a value of its own into vector and x87 registers, lets others run, and looks whether it is still there.
template <bool kAvx>
bool keeps_registers(uint64_t mark) {
  Vector in, out;
  for (int i = 0; i < 4; i++) in.words[i] = mark * 0x9e37'79b9'7f4a'7c15 + static_cast<uint64_t>(i);
  const double number = static_cast<double>(mark) + 0.25;
  double number_back;
  long result = 24;  // sched_yield
  if constexpr (kAvx)
    asm volatile("fldl %[number]; vmovdqa %[in], %%ymm7; syscall; vmovdqa %%ymm7, %[out]; fstpl %[back]"
                 : "+a"(result), [out] "=m"(out), [back] "=m"(number_back)
                 : [in] "m"(in), [number] "m"(number)
                 : "rcx", "r11", "memory", "xmm7");
  else
    asm volatile("fldl %[number]; movdqa %[in], %%xmm7; syscall; movdqa %%xmm7, %[out]; fstpl %[back]"
                 : "+a"(result), [out] "=m"(out), [back] "=m"(number_back)
                 : [in] "m"(in), [number] "m"(number)
                 : "rcx", "r11", "memory", "xmm7");
  return result == 0 && number_back == number && memcmp(&in, &out, kAvx ? 32 : 16) == 0;
}

struct Worker {
  pthread_t thread;
  int number;
  int cpu;
};
long sum;  // added to atomically

void* work(void* argument) {
  constexpr int kRounds = 300;
  const Worker& self = *static_cast<Worker*>(argument);
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(self.cpu, &only);
  require(sched_setaffinity(0, sizeof only, &only) == 0, "sched_setaffinity fails", errno);
  require(sched_getcpu() == self.cpu, "a thread is not on its CPU", sched_getcpu(), self.cpu);
  const bool avx = has_avx();
  timespec last = {};
  for (int i = 0; i < kRounds; i++) {
    const auto mark = static_cast<uint64_t>(self.number * kRounds + i);
    require(avx ? keeps_registers<true>(mark) : keeps_registers<false>(mark), "registers changed", self.number);
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    require(now.tv_sec > last.tv_sec || (now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec), "time goes back");
    last = now;
  }
  __atomic_fetch_add(&sum, self.number, __ATOMIC_SEQ_CST);
  return nullptr;
}

void check_cpus(int cpus) {
  constexpr int kMost = 64, kEach = 2;
  require(get_nprocs() == cpus, "CPUs that are online", get_nprocs(), cpus);
  if (get_nprocs() != cpus) return;
  static Worker workers[kMost];
  const int count = cpus * kEach;
  for (int i = 0; i < count; i++) {
    workers[i] = {.thread = {}, .number = i, .cpu = i % cpus};
    const int error = pthread_create(&workers[i].thread, nullptr, work, &workers[i]);
    require(error == 0, "pthread_create fails", error);
    if (error != 0) return;
  }
  for (int i = 0; i < count; i++) pthread_join(workers[i].thread, nullptr);
  require(sum == count * (count - 1) / 2, "sum of the threads", sum, count * (count - 1) / 2);
}

// The kernel and the initrd take a part, and one frame record for each page; the rest is there, and holds what is written.
void check_memory(long long mebibytes) {
  constexpr long long kMost = 64;
  struct sysinfo info;
  require(sysinfo(&info) == 0, "sysinfo fails", errno);
  const auto total = static_cast<long long>(info.totalram * info.mem_unit >> 20);
  const auto free_now = static_cast<long long>(info.freeram * info.mem_unit >> 20);
  require(total <= mebibytes && total >= mebibytes - mebibytes / 32 - 24, "MiB of memory", total, mebibytes);
  const long long part = free_now / 2 < kMost ? free_now / 2 : kMost;
  const auto size = static_cast<size_t>(part) << 20;
  auto* words = static_cast<uint64_t*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  require(words != MAP_FAILED, "mmap fails", errno);
  if (words == MAP_FAILED) return;
  constexpr size_t kStep = 4096 / sizeof *words;
  for (size_t i = 0; i < size / sizeof *words; i += kStep) words[i] = i ^ 0x5a5a;
  size_t wrong = 0;
  for (size_t i = 0; i < size / sizeof *words; i += kStep) wrong += words[i] != (i ^ 0x5a5a);
  require(wrong == 0, "pages that forget", static_cast<long long>(wrong));
  munmap(words, size);
}

volatile sig_atomic_t caught;

void check_processes() {
  signal(SIGUSR1, [](int) { caught = 1; });
  int ends[2];
  require(pipe(ends) == 0, "pipe fails", errno);
  const pid_t child = fork();
  if (child == 0) {
    kill(getppid(), SIGUSR1);
    _exit(write(ends[1], "word", 4) == 4 ? 9 : 1);
  }
  require(child > 0, "fork fails", errno);
  close(ends[1]);
  char word[4] = {};
  require(read(ends[0], word, 4) == 4 && memcmp(word, "word", 4) == 0, "the pipe's word");
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  require(WIFEXITED(status) && WEXITSTATUS(status) == 9, "the child's status", status, 9 << 8);
  require(caught == 1, "the signal did not come");
}

// The host started the machine at `date`; 0: there is no clock to know it from. A sleep must take its time, and no more than
// a busy host explains.
void check_time(long long date) {
  constexpr long long kEarlier = 2, kLater = 300;
  const auto now = static_cast<long long>(time(nullptr));
  if (date != 0)
    require(now >= date - kEarlier && now <= date + kLater, "seconds since 1970", now, date);
  else
    require(now >= 0 && now < 3600, "seconds since the start", now);
  timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  usleep(50'000);
  clock_gettime(CLOCK_MONOTONIC, &after);
  const long long slept = (after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1'000'000;
  require(slept >= 49 && slept < 10'000, "ms that a sleep of 50 took", slept, 50);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    printf("usage: probe CPUS MIB DATE\n");
    return 2;
  }
  check_processes();
  check_time(atoll(argv[3]));
  check_memory(atoll(argv[2]));
  check_cpus(atoi(argv[1]));
  return failures == 0 ? 0 : 1;
}
