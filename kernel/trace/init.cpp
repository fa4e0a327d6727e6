// SPDX-License-Identifier: BSD-2-Clause
#include "trace/init.h"

#include "process/tracing.h"
#include "trace/accounting.h"
#include "trace/ktrace.h"
#include "trace/tracepoint.h"

namespace tine::trace {

Result<> init(uint32_t trace_events) {
  TRY(process::init_tracing());
  TRY(init_ktrace());
  TRY(init_accounting());
  return init_tracepoints(trace_events);
}

}  // namespace tine::trace
