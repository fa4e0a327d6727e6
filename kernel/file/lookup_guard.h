// SPDX-License-Identifier: BSD-2-Clause
// LookupGuard: what stands between a restricted process and the tree of names. Lookups ask it; the layer above, which
// knows processes, decides. Nobody is asked for a process without restrictions. Seed rows C8, C9.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"
#include "file/path.h"

namespace tine::file {

class LookupGuard {
 public:
  // What a walk is told about its path, and gives back with the place where it ends.
  struct Admission {
    uint32_t flags = 0;   // put to the walk's LookupFlags
    uint8_t rights = 0;   // what the place must be open for (file/veil.h)
  };
  // May this name be looked up at all? Asked once for each path, before its first step.
  virtual Result<Admission> admit(std::string_view path) = 0;
  // May the place where the walk ends be used, seen from `root`? NoEnt, Acces.
  virtual Result<> check(const Path& root, const Path& place, Admission admission) = 0;
  // The same for a name that is not there yet.
  virtual Result<> check_new(const Path& root, const Path& directory, std::string_view name, Admission admission) = 0;

 protected:
  ~LookupGuard() = default;
};

}  // namespace tine::file
