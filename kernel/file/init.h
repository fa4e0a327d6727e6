// SPDX-License-Identifier: BSD-2-Clause
// What of the file layer must be set up at boot: file-system types, the hidden mount, devtmpfs and the memory devices. In a
// context that may sleep, before any other use of file/.
#pragma once

#include "base/result.h"

namespace tine::file {

Result<> init();

}  // namespace tine::file
