// SPDX-License-Identifier: BSD-2-Clause
// What the boot loader told us, and how the machine starts and ends. Source: PVH boot ABI (Xen hvm_start_info).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "machine/paging.h"

namespace tine::machine {

struct MemoryRange {
  PhysAddr start;
  PhysAddr end;  // exclusive
};

struct BootInfo {
  std::string_view command_line;
  std::span<const std::byte> initrd;               // in the physical map; empty when there is none
  std::span<const MemoryRange> usable;             // page-aligned RAM minus kernel image, initrd and boot data; ascending
  PhysAddr highest_address;                        // end of the highest usable RAM
  uintptr_t kernel_offset;                         // how far above its linked address the kernel runs; 0 with `nokaslr`
};

// Valid once the machine layer has called kernel_main.
const BootInfo& boot_info();

// Declared here, defined in kernel/main.cpp: runs on the boot CPU with paging, traps and clock ready, interrupts off,
// on a boot stack.
[[noreturn]] void kernel_main();

// Starts the other CPUs; each ends in upcalls::cpu_started. Returns how many CPUs run. `limit`: at most that many.
unsigned start_other_cpus(unsigned limit);

// Powers the machine off. With QEMU's isa-debug-exit present the status goes out through it. Never returns.
[[noreturn]] void power_off(int status);
[[noreturn]] void reset_machine();
[[noreturn]] void halt_machine();

// Backtrace by frame pointers from here, symbolized, to the log.
void log_backtrace();
// FUNCTION+OFFSET, in `buffer`.
std::string_view describe_code(uintptr_t address, std::span<char> buffer);

}  // namespace tine::machine
