// SPDX-License-Identifier: BSD-2-Clause
// From a region's protection to the bits of its pages' entries. Private to vm/.
#pragma once

#include "vm/page_tree.h"
#include "vm/region.h"

namespace tine::vm {

// Without W: that follows from who else has the page. Any access implies reading, as the hardware has it.
constexpr uint64_t rights_of(uint8_t protection) {
  if (protection == kNoAccess) return kHeld;
  return Entry::kPresent | Entry::kUser | (protection & kWrite ? Entry::kMayWrite : 0) |
         (protection & kExecute ? 0 : Entry::kNoExec);
}

// For a page that nobody else has, or that is shared.
constexpr uint64_t writable_rights_of(uint8_t protection) {
  return rights_of(protection) | (protection & kWrite ? Entry::kWritable : 0);
}

constexpr bool allows(uint8_t protection, Access access) {
  switch (access) {
    case Access::Read:
      return protection != kNoAccess;
    case Access::Write:
      return protection & kWrite;
    case Access::Execute:
      return protection & kExecute;
  }
  return false;
}

}  // namespace tine::vm
