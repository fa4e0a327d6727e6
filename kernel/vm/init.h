// SPDX-License-Identifier: BSD-2-Clause
// The layer's boot step.
#pragma once

#include "base/result.h"

namespace tine::vm {

// Registers the audits of page trees and region maps.
Result<> init();

}  // namespace tine::vm
