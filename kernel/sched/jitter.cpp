// SPDX-License-Identifier: BSD-2-Clause
#include "sched/jitter.h"

#if TINE_DEBUG

#include "base/random.h"

namespace tine::sched {

namespace {
constinit bool on = false;
}

void set_jitter(bool wanted) { on = wanted; }
bool jitter(unsigned odds) { return on && random_below(odds) == 0; }

}  // namespace tine::sched

#endif
