// SPDX-License-Identifier: BSD-2-Clause
// Filling in machine/processor.h.
#pragma once

namespace tine::machine {

// Records what the running CPU is. Once on each, after its features and its APIC have been turned on and before count_cpu().
void identify_processor();

}  // namespace tine::machine
