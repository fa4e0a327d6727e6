// SPDX-License-Identifier: BSD-2-Clause
// A server that holds 1 GiB and forks a snapshot every second, as Redis does, and serves requests over pipes meanwhile:
// each request writes to a random page and is answered. The client asks again as soon as it has an answer, and tells the
// longest time that it waited: the pause that the server's users see.
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forks.h"

namespace bench {
namespace {

constexpr size_t kHeld = 1024 * kMiB, kPages = kHeld / kPage;
constexpr int64_t kMillisecond = 1'000'000, kSecond = 1'000 * kMillisecond;
constexpr int kSnapshots = 3;
constexpr int64_t kThinking = 200'000;  // the client's, between an answer and its next request: a loaded but not a full CPU

struct Request {
  uint64_t page;
};
struct Answers {
  int64_t longest = 0, middle = 0, count = 0;
};

// Reads all of the memory, as for a file of it, in steps that leave the CPU to the server between them.
[[noreturn]] void write_snapshot(const Touched& memory) {
  constexpr size_t kStep = 256;
  uint64_t sum = 0;
  for (size_t page = 0; page < kPages; page++) {
    sum += static_cast<unsigned char>(memory.at()[page * kPage]);
    if (page % kStep == 0) usleep(500);
  }
  _exit(sum == 0);
}

void serve(Touched& memory, int requests, int answers) {
  int64_t next_snapshot = bench_clock_start() + kSecond;
  Request request;
  while (read(requests, &request, sizeof request) == static_cast<ssize_t>(sizeof request)) {
    *static_cast<volatile char*>(memory.at() + request.page * kPage) = 1;
    if (write(answers, &request, sizeof request) != static_cast<ssize_t>(sizeof request)) give_up("write");
    if (bench_clock_stop() < next_snapshot) continue;
    next_snapshot += kSecond;
    // The next request waits while the server forks.
    if (fork_or_give_up() == 0) write_snapshot(memory);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {
    }
  }
}

[[noreturn]] void ask(int requests, int answers, int report_to) {
  // Not a static array: that would spread the program's own data over 8 MiB in every other measurement, too.
  constexpr size_t kMost = 1'000'000;
  auto* const waited = static_cast<int64_t*>(
      mmap(nullptr, kMost * sizeof(int64_t), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (waited == MAP_FAILED) give_up("mmap");
  Answers seen;
  uint64_t random = 1;
  Request request;
  if (read(answers, &request, sizeof request) < 0) give_up("ask");  // the server is ready
  const int64_t began = bench_clock_start();
  while (bench_clock_stop() - began < (kSnapshots + 1) * kSecond && seen.count < static_cast<int64_t>(kMost)) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    request = {(random >> 33) % kPages};
    const Stopwatch watch;
    if (write(requests, &request, sizeof request) < 0 || read(answers, &request, sizeof request) < 0) give_up("ask");
    const int64_t took = watch.elapsed();
    waited[seen.count++] = took;
    if (took > seen.longest) seen.longest = took;
    usleep(kThinking / 1'000);
  }
  seen.middle = middle_of(waited, static_cast<size_t>(seen.count));
  (void)!write(report_to, &seen, sizeof seen);
  _exit(0);
}

void snapshot_server() {
  int requests[2], answers[2], results[2];
  if (pipe(requests) != 0 || pipe(answers) != 0 || pipe(results) != 0) give_up("pipe");
  if (fork_or_give_up() == 0) {
    close(requests[0]);
    ask(requests[1], answers[0], results[1]);
  }
  close(requests[1]);
  Touched memory(kHeld);
  const Request ready = {};
  if (write(answers[1], &ready, sizeof ready) < 0) give_up("write");
  serve(memory, requests[0], answers[1]);
  Answers seen;
  if (read(results[0], &seen, sizeof seen) != static_cast<ssize_t>(sizeof seen)) give_up("read");
  while (wait(nullptr) > 0) {
  }
  report("longest-pause", kNanoseconds, seen.longest);
  report("usual-answer", kNanoseconds, seen.middle);
  report("answers", kCount, seen.count);
}

BENCHMARK(server, "snapshot-server", kUsual, snapshot_server(););

}  // namespace
}  // namespace bench
