// SPDX-License-Identifier: BSD-2-Clause
// Named pipes. Source: fifo(7).
#pragma once

#include "file/file.h"

namespace tine::file {

// Opens one end (or, for O_RDWR, both). Waits for the other end to be opened, unless O_NONBLOCK: then a writer without
// a reader gets Nxio. RestartSys when a signal ends the waiting.
Result<Ref<File>> open_fifo(const Path& path, uint32_t flags);

}  // namespace tine::file
