// SPDX-License-Identifier: BSD-2-Clause
// Checks that only the kernel itself can make, run by name from a test program (TINE_SYS_self_test). They exist in debug
// kernels only. Each is named after the seed row that it proves, if there is one; what it finds wrong is on the console.
#pragma once

#include <string_view>

#include "base/result.h"

namespace tine::trace {

// Errors: NoEnt when there is no test of this name, Inval when it fails; what the kernel calls in it say.
Result<> run_self_test(std::string_view name);

}  // namespace tine::trace
