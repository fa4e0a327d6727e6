// SPDX-License-Identifier: BSD-2-Clause
// Which names a system call of a restricted process may look up. It is asked with the kernel's own copy of each path:
// what a program says in its memory may change between a check and its use. A promise about paths covers all of them;
// a few others cover files that the C library cannot do without. What has not been unveiled is not there.
// Source: pledge(2) and unveil(2) of OpenBSD. Seed rows C8, C9.
#pragma once

#include "file/lookup_guard.h"
#include "file/veil_rights.h"
#include "process/promises.h"

namespace tine::process {

class Thread;

// What a call does with the paths it is given.
struct PathUse {
  enum class Kind : uint8_t {
    None,        // it has none, or only in what its arguments point to
    Other,
    Open,        // open(2)
    Inspect,     // stat, access, readlink
    Attributes,  // chmod, chown, utimes
    Unlink,
  };
  // What it needs for a path: all of the promises, and all of the rights to the place.
  struct Need {
    Promises promises = 0;
    file::VeilRights rights = 0;
  };
  Kind kind = Kind::None;
  Need first;
  Need second;   // for a call with two paths; without promises: it has one, and others are looked up like that

  Promises all_promises() const { return first.promises | second.promises; }
  // Could the path be one of those that do not need the promises?
  bool may_be_excused() const { return kind != Kind::None && kind != Kind::Other; }
};

// Lives on the stack for the time of one call, as Thread::lookup_guard.
class PathPolicy final : public file::LookupGuard {
 public:
  PathPolicy(Thread& caller, const PathUse& use) : caller_(caller), use_(use) {}
  Result<Admission> admit(std::string_view path) override;
  Result<> check(const file::Path& root, const file::Path& place, Admission admission) override;
  Result<> check_new(const file::Path& root, const file::Path& directory, std::string_view name,
                     Admission admission) override;

 private:
  Thread& caller_;
  const PathUse use_;
  unsigned paths_ = 0;   // how many have been asked about
};

}  // namespace tine::process
