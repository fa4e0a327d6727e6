// SPDX-License-Identifier: BSD-2-Clause
// What owns advisory locks (file/locks.h): a descriptor table or an open file.
#pragma once

#include <atomic>
#include <cstdint>

namespace tine::file {

struct LockOwner {
  std::atomic<uint32_t> locks_held{0};     // 0: closing has nothing to release
  bool detects_deadlocks = false;          // tables: their waiting has one process behind it
};

}  // namespace tine::file
