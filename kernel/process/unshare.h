// SPDX-License-Identifier: BSD-2-Clause
// Rfork without a new process: what the caller shares with others becomes its own. Source: rfork(2). Seed row R12.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace tine::process {

class Thread;

enum class UnshareFiles : uint8_t {
  Keep,
  Copy,    // a shared table becomes private; a private one stays as it is
  Empty,   // every descriptor is closed; others who share the table keep theirs
};

struct UnshareRequest {
  bool memory = false;
  UnshareFiles files = UnshareFiles::Keep;
};

// All or nothing. Errors: NoMem; Busy when the caller's process has other threads, which would lose their memory.
Result<> unshare(Thread& caller, const UnshareRequest& request);

}  // namespace tine::process
