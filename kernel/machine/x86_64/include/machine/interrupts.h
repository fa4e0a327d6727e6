// SPDX-License-Identifier: BSD-2-Clause
// Device interrupts and signals between CPUs.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "machine/paging.h"

namespace tine::machine {

using InterruptHandler = void (*)(void* argument);

// Routes a legacy ISA interrupt line (0-15) to this CPU and enables it. The handler runs with interrupts off.
Result<> handle_isa_interrupt(unsigned line, InterruptHandler handler, void* argument);

void send_reschedule(unsigned cpu);  // upcalls::reschedule_requested runs there soon

}  // namespace tine::machine
