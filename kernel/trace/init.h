// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include <cstdint>

#include "base/result.h"

namespace tine::trace {

// Boot: subscribes what traces to the life events. `trace_events`: how many tracepoints are kept.
Result<> init(uint32_t trace_events);

}  // namespace tine::trace
