// SPDX-License-Identifier: BSD-2-Clause
#include "trace/init.h"

#include "trace/accounting.h"
#include "trace/ktrace.h"
#include "trace/tracepoint.h"

namespace tine::trace {

Result<> init() {
  TRY(init_ktrace());
  TRY(init_accounting());
  return init_tracepoints();
}

}  // namespace tine::trace
