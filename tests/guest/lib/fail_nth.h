// SPDX-License-Identifier: BSD-2-Clause
// A walk over the fault-injection sites of a call: each allocation and reservation fails once, n = 1, 2, ... until the call
// passes fewer than n. Needs a debug kernel; skips the test elsewhere.
#pragma once

#include <fcntl.h>

#include "kernel_state.h"
#include "setting.h"

namespace check {

// One armed call. The three system calls follow each other without a touch of memory that could be copied on write in
// between: a page fault passes sites too.
struct Armed {
  long file;              // fail-nth
  const char* count;      // what to write to it
  long count_size;
  long call[7];           // number, arguments
  char* left;             // where to read what is left, 16 bytes
  long child_exits;       // the call returns 0 in a child, which must end at once
  long result, read_result;
};

}  // namespace check

extern "C" void make_armed_call(check::Armed* armed);

namespace check {

constexpr int kMostSites = 1000;

enum class Outcome { Failed, Tolerated, Passed };   // at its n-th site; it has fewer than n

class Walk {
 public:
  Walk() {
    if (access("/proc/self/fail-nth", W_OK) != 0) SKIP("no fault injection in this kernel");
    armed_ = static_cast<Armed*>(mmap(nullptr, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
    CHECK(armed_ != MAP_FAILED);
    memset(armed_, 0, 8192);
    open_injector();
  }

  // In a child: its own injector.
  void open_injector() { armed_->file = CHECK_OK(open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC)); }

  // The call with its n-th site failing.
  Outcome at(int n, long number, long a = 0, long b = 0, long c = 0, long d = 0, long e = 0, bool child_exits = false) {
    char* text = reinterpret_cast<char*>(armed_) + 4096;
    armed_->count = text;
    armed_->count_size = snprintf(text, 16, "%d", n);
    armed_->left = text + 64;
    memset(armed_->left, 0, 16);
    const long call[] = {number, a, b, c, d, e, 0};
    memcpy(armed_->call, call, sizeof call);
    armed_->child_exits = child_exits;
    make_armed_call(armed_);
    // A site of the reading itself may have been the one: then none of the call's was.
    const bool fired = armed_->read_result > 0 && atoi(armed_->left) == 0;
    if (result() < 0) {
      // EFAULT: no memory for a page that the call stores to.
      if (!fired || (result() != -ENOMEM && result() != -EAGAIN && result() != -EFAULT))
        fail(__FILE__, __LINE__, "call %ld at site %d: %s%s", number, n, strerror(static_cast<int>(-result())),
             fired ? "" : ", but nothing was made to fail");
      return Outcome::Failed;
    }
    return fired ? Outcome::Tolerated : Outcome::Passed;
  }
  long result() const { return armed_->result; }

  // The two halves by themselves, for what is more than one call.
  void write_count(const char* count, int size) {
    CHECK_EQ(write(static_cast<int>(armed_->file), count, static_cast<size_t>(size)), size);
  }
  int read_left() {
    char left[16] = {};
    CHECK(pread(static_cast<int>(armed_->file), left, sizeof left - 1, 0) > 0);
    CHECK_EQ(write(static_cast<int>(armed_->file), "0", 1), 1);
    return atoi(left);
  }

 private:
  Armed* armed_;
};

// Runs `once(n)` for n = 1, 2, ... until it says Passed: how many sites failed. After each one that did, the kernel's audit is
// clean and counts as many processes and threads as before.
template <class Once>
int fail_each_site(Once once, long long processes, long long threads) {
  int failed = 0;
  for (int n = 1;; n++) {
    CHECK(n < kMostSites);
    const Outcome outcome = once(n);
    if (outcome == Outcome::Passed) return failed;
    failed += outcome == Outcome::Failed;
    CHECK(eventually([=] { return setting("nprocs") == processes && setting("nthreads") == threads; }));
    check_audit();
  }
}

// Fails each site of `once`, of which there are at least `least`; after all, everything that is allocated is as before.
template <class Once>
void walk(int least, Once once) {
  static KernelState before;
  for (int i = 0; i < 3; i++) once(100'000);   // what is made once stays
  const long long processes = settled("nprocs"), threads = settled("nthreads");   // orphans of these calls are gone
  before.take();
  before.take();
  const int failed = fail_each_site(once, processes, threads);
  check_state_is_again(before);   // before anything is printed: a pipe keeps a page for it
  dprintf(STDERR_FILENO, "%d sites failed\n", failed);
  CHECK(failed >= least);
  check_audit();
}

}  // namespace check
