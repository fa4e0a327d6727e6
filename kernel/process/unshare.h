// SPDX-License-Identifier: BSD-2-Clause
// What the caller shares with other processes becomes its own. Source: rfork(2), unshare(2), execve(2). Seed row R12.
#pragma once

#include <cstdint>

#include "base/result.h"

namespace tine::process {

class Process;
class Thread;

enum class UnshareFiles : uint8_t {
  Keep,
  Copy,    // a shared table becomes private; a private one stays as it is
  Empty,   // every descriptor is closed; others who share the table keep theirs
};

struct UnshareRequest {
  bool memory = false;
  UnshareFiles files = UnshareFiles::Keep;
  bool directories = false;   // root, working directory, umask
};

// All or nothing. Errors: NoMem; Busy when the caller's process has other threads. They would lose their memory, and what
// they open or close meanwhile would happen in a table that is given up.
Result<> unshare(Thread& caller, const UnshareRequest& request);

// One part, which the process's other threads go over to as well. NoMem.
Result<> unshare_descriptors(Process& process);
Result<> unshare_fs(Process& process);

}  // namespace tine::process
