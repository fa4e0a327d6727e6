// SPDX-License-Identifier: BSD-2-Clause
// New programs and threads: vfork, posix_spawn of a static and of a dynamic program, a shell that runs commands,
// pthread_create.
#include <pthread.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "forks.h"

namespace bench {
namespace {

int64_t vfork_exit_wait_once() {
  const Stopwatch watch;
  const pid_t child = vfork();
  if (child == 0) _exit(0);
  if (child < 0) give_up("vfork");
  waitpid(child, nullptr, 0);
  return watch.elapsed();
}
BENCHMARK(vforked, "vfork-exit-wait", kUsual, report_median<101>(vfork_exit_wait_once););

int64_t thread_create_join_once() {
  const Stopwatch watch;
  pthread_t thread;
  if (pthread_create(&thread, nullptr, [](void*) -> void* { return nullptr; }, nullptr) != 0) give_up("pthread");
  pthread_join(thread, nullptr);
  return watch.elapsed();
}
BENCHMARK(threads, "thread-create-join", kUsual, report_median<101>(thread_create_join_once););

int64_t spawn_once(const char* program, const char* first, const char* second) {
  char* const arguments[] = {const_cast<char*>(first), const_cast<char*>(second), nullptr};
  const Stopwatch watch;
  pid_t child;
  if (posix_spawn(&child, program, nullptr, nullptr, arguments, environ) != 0) give_up("posix_spawn");
  int status = 0;
  waitpid(child, &status, 0);
  const int64_t took = watch.elapsed();
  if (status != 0) give_up("the spawned program failed");
  return took;
}

BENCHMARK(spawn_static, "spawn-static-wait", kUsual,
          report_median<21>([] { return spawn_once("/bench/static-true", "static-true", nullptr); }););
BENCHMARK(spawn_dynamic, "spawn-dynamic-wait", kUsual,
          report_median<21>([] { return spawn_once("/bench/dynamic-true", "dynamic-true", nullptr); }););
BENCHMARK(spawn_busybox, "spawn-busybox-wait", kUsual,
          report_median<21>([] { return spawn_once("/bin/busybox", "true", nullptr); }););

// The shell forks and runs an external program 300 times; the time of the whole loop.
BENCHMARK(shell, "shell-300-commands", kUsual, report_median<3>([] {
            static char script[] = "i=0; while [ $i -lt 300 ]; do /bench/static-true; i=$((i+1)); done";
            char* const arguments[] = {const_cast<char*>("bash"), const_cast<char*>("-c"), script, nullptr};
            const Stopwatch watch;
            pid_t child;
            if (posix_spawn(&child, "/bin/bash", nullptr, nullptr, arguments, environ) != 0) give_up("posix_spawn");
            waitpid(child, nullptr, 0);
            return watch.elapsed();
          }););

}  // namespace
}  // namespace bench
