// SPDX-License-Identifier: BSD-2-Clause
// Tracepoints: the last events of the system, always on, in a ring that /proc/tine/trace shows. Seed row T3.
#pragma once

#include "base/result.h"

namespace tine::trace {

Result<> init_tracepoints();   // boot

}  // namespace tine::trace
