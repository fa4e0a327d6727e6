// SPDX-License-Identifier: BSD-2-Clause
// Preparations for the other CPUs.
#pragma once

namespace tine::machine {

// Takes boot memory for the stacks of all CPUs that ACPI names.
void reserve_secondary_stacks();

}  // namespace tine::machine
