// SPDX-License-Identifier: BSD-2-Clause
// The terminals on serial lines (/dev/ttyS0, /dev/ttyS1), the system console (/dev/console) and each process's own
// terminal (/dev/tty). Source: tty(4), console(4), ttyS(4).
#pragma once

#include "base/result.h"
#include "view/tty.h"

namespace tine::view {

// Boot, after init_devices: makes the terminals of the UARTs that are there and registers the devices. The console is the
// one that "console=ttyS<n>" names, else the first; "tine.rows=" and "tine.cols=" set its size (80x24).
Result<> init_console();

// Null when the machine has no serial line.
Tty* console();

}  // namespace tine::view
