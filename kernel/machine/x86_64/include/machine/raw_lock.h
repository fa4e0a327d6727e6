// SPDX-License-Identifier: BSD-2-Clause
// The lock of what must work even in a panic: the log, the console, interrupt controllers. Interrupts are off
// while it is held. Once the kernel panics it is waited for only so long: its holder may be a CPU that has
// been stopped. Everything else uses sync/.
#pragma once

#include <atomic>

#include "base/thread_annotations.h"

namespace tine::machine {

class CAPABILITY("raw lock") RawLock {
 public:
  constexpr RawLock() = default;
  void lock() ACQUIRE();
  void unlock() RELEASE();

 private:
  std::atomic<bool> held_{false};
};

class SCOPED_CAPABILITY RawGuard {
 public:
  explicit RawGuard(RawLock& lock) ACQUIRE(lock) : lock_(lock) { lock_.lock(); }
  ~RawGuard() RELEASE() { lock_.unlock(); }
  RawGuard(const RawGuard&) = delete;
  RawGuard& operator=(const RawGuard&) = delete;

 private:
  RawLock& lock_;
};

}  // namespace tine::machine
