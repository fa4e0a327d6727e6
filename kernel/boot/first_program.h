// SPDX-License-Identifier: BSD-2-Clause
// Process 1.
#pragma once

#include "base/result.h"

namespace tine::boot {

// Forks process 1 from process 0, with /dev/console (if it is there) as descriptors 0 to 2. It executes init=PATH, or
// /init; where that cannot be executed the machine says why and powers off.
Result<> start_first_program();

}  // namespace tine::boot
