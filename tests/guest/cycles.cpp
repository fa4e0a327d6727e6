// SPDX-License-Identifier: BSD-2-Clause
// Many short lives leave nothing behind: after fork + exec + exit again and again, as many frames are free and as many
// objects live as before. TINE_CYCLES sets how many. And however much parent and child write after a fork, each sees its own and
// all of it is given back: TINE_MIB sets how much. The long runs are
//   ./tine run --debug-kernel --smp 4 --mem 4G --add build/debug/tests/cycles --
//     env TINE_CYCLES=10000 TINE_MIB=1024 sh -c '/root/cycles fork_exec_exit_leaves_nothing && /root/cycles both_sides_rewrite_everything'
#include <fcntl.h>

#include "kernel_state.h"
#include "random.h"

namespace {

void live_once() {
  const pid_t child = fork();
  if (child < 0) fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
  if (child == 0) {
    const int nowhere = open("/dev/null", O_WRONLY);
    dup2(nowhere, STDOUT_FILENO);
    execl("/proc/self/exe", "cycles", "--list", static_cast<char*>(nullptr));
    _exit(127);
  }
  CHECK_EQ(wait_for(child), 0);
}

// Every word of every page has its own value for each of `who`.
void fill(uint64_t* words, size_t count, uint64_t who) {
  for (size_t i = 0; i < count; i++) words[i] = who << 56 | i;
}
bool is_filled(const uint64_t* words, size_t count, uint64_t who) {
  for (size_t i = 0; i < count; i++)
    if (words[i] != (who << 56 | i)) return false;
  return true;
}

void rewrite_on_both_sides(size_t mib) {
  const size_t size = mib << 20, count = size / sizeof(uint64_t);
  auto* words = static_cast<uint64_t*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(words != MAP_FAILED);
  fill(words, count, 1);
  static Gate parent_done;
  const pid_t child = start_child([&] {
    CHECK(is_filled(words, count, 1));
    fill(words, count, 2);
    parent_done.wait();
    CHECK(is_filled(words, count, 2));
  });
  fill(words, count, 3);
  parent_done.open();
  CHECK(is_filled(words, count, 3));
  CHECK_EQ(wait_for(child), 0);
  CHECK(is_filled(words, count, 3));
  fill(words, count, 4);
  CHECK(is_filled(words, count, 4));
  CHECK_OK(munmap(words, size));
}

}  // namespace

TEST(both_sides_rewrite_everything) {
  static KernelState before;
  rewrite_on_both_sides(1);
  before.take();
  before.take();
  rewrite_on_both_sides(parameter("TINE_MIB", 64));
  check_state_is_again(before);
  check_audit();
}

TEST(fork_exec_exit_leaves_nothing) {
  static KernelState before;
  for (int i = 0; i < 50; i++) live_once();   // what is made once stays
  before.take();
  before.take();                              // its own first reading is one of those things
  const uint64_t cycles = parameter("TINE_CYCLES", 1000);
  for (uint64_t i = 0; i < cycles; i++) live_once();
  check_state_is_again(before);
  check_audit();
}
