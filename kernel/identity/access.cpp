// SPDX-License-Identifier: BSD-2-Clause
#include "identity/access.h"

namespace tine::identity {

bool may_access(const Credentials& who, const Ownership& of, AccessMask wanted) {
  AccessMask allowed = of.mode & 7;
  if (who.fsuid == of.uid) allowed = of.mode >> 6 & 7;
  else if (who.in_group(of.gid)) allowed = of.mode >> 3 & 7;
  if ((wanted & ~allowed) == 0) return true;

  const bool anybody_executes = of.is_directory || (of.mode & 0111) != 0;
  if (who.capable(Capability::DacOverride) && (anybody_executes || !(wanted & kMayExecute))) return true;
  const AccessMask read_search = of.is_directory ? kMayRead | kMayExecute : kMayRead;
  return who.capable(Capability::DacReadSearch) && (wanted & ~read_search) == 0;
}

}  // namespace tine::identity
