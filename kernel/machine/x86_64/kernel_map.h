// SPDX-License-Identifier: BSD-2-Clause
// Building the kernel's half of the address space.
#pragma once

#include "machine/paging.h"
#include "machine/user_top.h"

namespace tine::machine {

// Builds the final tables (see kernel_map.cpp) and switches the boot CPU to them.
void build_kernel_map();

PhysAddr physical_map_end();  // physical addresses below this are mapped

PhysAddr
boot_top_table_address();  // the boot tables, with the kernel half of the final ones: for secondary CPUs
void load_kernel_top_table();  // on this CPU; it has no user half
// The tables of a CPU for the user half that it runs on.
struct CpuTables {
  Table top;
  Table below[UserTop::kMostRanges];
};
CpuTables& cpu_tables(unsigned id);
PhysAddr address_of_cpu_table(const Table& table);
void drop_identity_map();  // no secondary CPU needs them any more

}  // namespace tine::machine
