// SPDX-License-Identifier: BSD-2-Clause
// One round of the measurements that others repeat with a larger parent, and memory to make it larger.
#pragma once

#include "harness.h"

namespace bench {

pid_t fork_or_give_up();

// The time of fork() in the parent; of the child, only that it is gone before the next round.
int64_t fork_once();

int64_t fork_exit_wait_once();

// Private memory that was written to, for as long as this lives. In pages of 4 KiB, or where the kernel has larger ones
// and is asked for them, in those.
class Touched {
 public:
  enum class Pages { Usual, Huge };
  explicit Touched(size_t size, Pages pages = Pages::Usual);
  ~Touched();
  Touched(const Touched&) = delete;
  Touched& operator=(const Touched&) = delete;
  void write_all();  // one byte of each page of 4 KiB
  char* at() const { return at_; }
  size_t size() const { return size_; }

 private:
  char* at_;
  size_t size_;
};

}  // namespace bench
