// SPDX-License-Identifier: BSD-2-Clause
// Start of the event layer.
#pragma once

#include "base/result.h"

namespace tine::event {

// Boot, before the first user thread: makes the futex table and subscribes to the life events.
Result<> init();

}  // namespace tine::event
