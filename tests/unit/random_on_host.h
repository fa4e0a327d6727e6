// SPDX-License-Identifier: BSD-2-Clause
// The kernel's random numbers on the host: the same in every run that starts from the same seed.
#pragma once

#include "base/random.h"

namespace tine {

void seed_random(uint64_t seed);

}  // namespace tine
