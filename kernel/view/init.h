// SPDX-License-Identifier: BSD-2-Clause
// Boot of the view layer.
#pragma once

#include "base/result.h"

namespace tine::view {

// Terminals and their devices, devpts, procfs. After the root, devtmpfs and the UARTs are there.
Result<> init();

}  // namespace tine::view
