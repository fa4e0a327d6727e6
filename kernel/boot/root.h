// SPDX-License-Identifier: BSD-2-Clause
// The root file system: a tmpfs filled from the initrd.
#pragma once

#include "base/result.h"

namespace tine::boot {

// Makes the root, unpacks the initrd into it and gives it to process 0 (the caller). A missing or broken initrd is said in
// one sentence and powers the machine off.
Result<> make_root();

}  // namespace tine::boot
