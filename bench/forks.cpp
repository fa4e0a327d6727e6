// SPDX-License-Identifier: BSD-2-Clause
#include "forks.h"

#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

namespace bench {

pid_t fork_or_give_up() {
  const pid_t child = fork();
  if (child < 0) give_up("fork");
  return child;
}

int64_t fork_once() {
  const Stopwatch watch;
  const pid_t child = fork_or_give_up();
  if (child == 0) _exit(0);
  const int64_t took = watch.elapsed();
  waitpid(child, nullptr, 0);
  return took;
}

int64_t fork_exit_wait_once() {
  const Stopwatch watch;
  const pid_t child = fork_or_give_up();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  return watch.elapsed();
}

Touched::Touched(size_t size, Pages pages) : size_(size) {
  at_ = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  if (at_ == MAP_FAILED) give_up("mmap");
  if (pages == Pages::Huge) madvise(at_, size, MADV_HUGEPAGE);  // a kernel without them may refuse
  write_all();
  let_emulator_settle();
}

Touched::~Touched() { munmap(at_, size_); }

// Plain stores: QEMU runs an increment as a load and a store, and the load of a fresh page would fault on its own.
void Touched::write_all() {
  for (size_t offset = 0; offset < size_; offset += kPage) *static_cast<volatile char*>(at_ + offset) = 1;
}

}  // namespace bench
