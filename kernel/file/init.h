// SPDX-License-Identifier: BSD-2-Clause
// What of the file layer must be set up at boot: file-system types, the hidden mount, devtmpfs and the memory devices. In a
// context that may sleep, before any other use of file/.
#pragma once

#include "base/result.h"
#include "file/path.h"

namespace tine::file {

Result<> init();

// Makes an empty tmpfs the root of everything; for boot/, before unpack_initrd (file/initrd.h).
Result<Path> make_root_file_system();

}  // namespace tine::file
