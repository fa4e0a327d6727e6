// SPDX-License-Identifier: BSD-2-Clause
// What the boot code knows about physical memory, and the pages it takes for itself before there is an
// allocator.
#pragma once

#include <span>

#include "machine/boot.h"

namespace tine::machine {

// Reads the PVH start info into BootInfo; everything in it is copied, since later boot steps reuse memory.
void read_start_info(PhysAddr start_info);

// Where the start info says that the command line is; 0: nowhere that the boot tables reach. For before read_start_info(): the
// start info itself is read at its physical address.
PhysAddr boot_command_line(PhysAddr start_info);
// Whether a command line has this word, for what cannot wait until boot/command_line.cpp reads it.
bool has_word(std::string_view line, std::string_view word);

PhysAddr rsdp_address();  // 0: the loader gave none

// Whether firmware says that [start, end) holds some RAM, ACPI tables included: such memory is mapped cached.
bool contains_ram(PhysAddr start, PhysAddr end);
PhysAddr ram_end();  // of all of that

// Zeroed pages below 4 GiB that nobody gets back. Panics when there are none.
PhysAddr take_boot_pages(size_t count);

// A page below 1 MiB for the trampoline of secondary CPUs; never part of BootInfo::usable. 0: none.
PhysAddr trampoline_page();

}  // namespace tine::machine
