// SPDX-License-Identifier: BSD-2-Clause
// Random calls about events and sockets with random arguments, from several processes at once that share
// files. Nothing is expected but that the kernel lives, that its audit stays clean, and that every process
// can be ended.
#include <fcntl.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "kernel_state.h"
#include "random.h"

namespace {

constexpr size_t kMemory = 64 * 1024;
constexpr int kMostDescriptor = 48;

// What an argument may look like to the call.
uint64_t argument(Random& random, char* memory) {
  switch (random.below(12)) {
    case 0:
      return 0;
    case 1:
      return random.below(8);
    case 2:
    case 3:
    case 4:
      return random.below(kMostDescriptor);
    case 5:
    case 6:
    case 7:
    case 8:
      return reinterpret_cast<uint64_t>(memory + (random.below(kMemory) & ~7ull));
    case 9:
      return reinterpret_cast<uint64_t>(memory + kMemory - random.below(16));  // runs into what is not mapped
    case 10:
      return uint64_t{1} << random.below(64);
    default:
      return random.below(2) ? ~0ull : 0xffff800000000000 + random.below(1u << 30);
  }
}

// Memory that looks like what the calls want: small numbers, pointers into itself, random bytes.
void fill(Random& random, char* memory) {
  auto* words = reinterpret_cast<uint64_t*>(memory);
  for (size_t i = 0; i < 64; i++) {
    const size_t at = random.below(kMemory / 8);
    words[at] = random.below(3) == 0 ? random.next() : argument(random, memory);
  }
}

constexpr long kCalls[] = {
    SYS_poll,
    SYS_select,
    SYS_socket,
    SYS_connect,
    SYS_accept,
    SYS_sendto,
    SYS_recvfrom,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_shutdown,
    SYS_listen,
    SYS_getsockname,
    SYS_getpeername,
    SYS_socketpair,
    SYS_setsockopt,
    SYS_getsockopt,
    SYS_futex,
    SYS_epoll_create1,
    SYS_epoll_wait,
    SYS_epoll_ctl,
    SYS_epoll_ctl,
    SYS_pselect6,
    SYS_ppoll,
    SYS_set_robust_list,
    SYS_epoll_pwait,
    SYS_timerfd_create,
    SYS_eventfd2,
    SYS_timerfd_settime,
    SYS_timerfd_gettime,
    SYS_accept4,
    SYS_signalfd4,
    SYS_recvmmsg,
    SYS_sendmmsg,
    SYS_getcpu,
    SYS_read,
    SYS_write,
    SYS_close,
    SYS_dup,
    SYS_socketpair,
    SYS_sendmsg,
    SYS_recvmsg,
    SYS_epoll_ctl,
    SYS_sched_yield,
};

// A message with descriptors in it, so that sockets travel in sockets.
void pass_a_file(Random& random, int* pair) {
  struct {
    size_t length;
    int level, type;
    int file, padding;
  } control = {20, 1, 1, static_cast<int>(random.below(kMostDescriptor)), 0};
  char byte = 'x';
  struct {
    void* base;
    size_t size;
  } vector = {&byte, 1};
  struct {
    void* name;
    uint64_t name_size;
    void* vectors;
    uint64_t count;
    void* control;
    uint64_t control_size, flags;
  } message = {nullptr, 0, &vector, 1, &control, 24, 0};
  syscall(SYS_sendmsg, pair[random.below(2)], &message, 0x4040);
}

void storm(uint64_t seed, unsigned calls) {
  Random random(seed);
  char* memory = static_cast<char*>(
      mmap(nullptr, kMemory + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(memory != MAP_FAILED);
  CHECK_OK(munmap(memory + kMemory, 8192));
  struct sigaction ignore = {};
  ignore.sa_handler = [](int) {};
  CHECK_OK(sigaction(SIGALRM, &ignore, nullptr));
  signal(SIGPIPE, SIG_IGN);
  const itimerval often = {{0, 2000}, {0, 2000}};  // ends whatever waits
  CHECK_OK(setitimer(ITIMER_REAL, &often, nullptr));

  for (unsigned i = 0; i < calls; i++) {
    if (i % 64 == 0) fill(random, memory);
    int pair[2] = {static_cast<int>(random.below(kMostDescriptor)),
                   static_cast<int>(random.below(kMostDescriptor))};
    if (random.below(16) == 0) pass_a_file(random, pair);
    const long call = kCalls[random.below(sizeof kCalls / sizeof kCalls[0])];
    uint64_t arguments[6];
    for (uint64_t& value : arguments) value = argument(random, memory);
    // The families and numbers without which nothing would ever be made.
    if (call == SYS_socket || call == SYS_socketpair) {
      arguments[0] = 1;
      arguments[1] = (random.below(2) ? 1 : random.below(6)) | (random.below(2) ? O_NONBLOCK : 0);
      arguments[2] = 0;
    }
    if (call == SYS_epoll_create1 || call == SYS_eventfd2) arguments[0] = arguments[1] = 0;
    if (call == SYS_epoll_ctl) arguments[1] = 1 + random.below(3);
    if (call == SYS_futex && random.below(4) != 0)
      arguments[1] = random.below(14) | (random.below(2) ? 128 : 0);
    // A mask that blocks SIGALRM would let the call wait for ever.
    if (call == SYS_ppoll) arguments[3] = 0;
    if (call == SYS_epoll_pwait) arguments[4] = 0;
    if (call == SYS_pselect6) arguments[5] = 0;
    if (call == SYS_close && arguments[0] < 3) continue;
    syscall(call, arguments[0], arguments[1], arguments[2], arguments[3], arguments[4], arguments[5]);
  }
  const itimerval off = {};
  setitimer(ITIMER_REAL, &off, nullptr);
}

}  // namespace

TEST(random_calls_of_many_processes) {
  constexpr unsigned kProcesses = 4, kCallsEach = 10'000;
  const uint64_t seed = static_cast<uint64_t>(now_ns());
  dprintf(STDERR_FILENO, "seed %llu\n", static_cast<unsigned long long>(seed));
  for (int i = 0; i < 6; i++) {  // some files that all of them share
    int ends[2];
    CHECK_OK(syscall(SYS_socketpair, 1, i % 2 ? 1 : 2, 0, ends));
    CHECK_OK(syscall(SYS_epoll_create1, 0));
  }
  pid_t children[kProcesses];
  for (unsigned i = 0; i < kProcesses; i++)
    children[i] = start_child([&] {
      const int null = CHECK_OK(open("/dev/null", O_RDWR));
      for (int standard : Ints{0, 1, 2}) dup2(null, standard);
      storm(seed + i, kCallsEach);
    });
  unsigned ended = 0;
  const auto all_have_ended = [&] {
    for (int how; waitpid(-1, &how, WNOHANG) > 0; ended++) CHECK_EQ(how, 0);
    return ended == kProcesses;
  };
  // Some of these calls wait for ever on Linux, the control: there it is enough that the processes can be ended.
  const bool on_linux = access("/proc/tine/audit", F_OK) != 0;
  if (!eventually(all_have_ended, on_linux ? 10 : 40)) {
    CHECK(on_linux);
    for (const pid_t child : children) kill(child, SIGKILL);
    while (wait(nullptr) > 0) {
    }
  }
  check_audit();
}
