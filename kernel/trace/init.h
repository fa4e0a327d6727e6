// SPDX-License-Identifier: BSD-2-Clause
#pragma once

#include "base/result.h"

namespace tine::trace {

Result<> init();   // boot: subscribes what traces to the life events

}  // namespace tine::trace
