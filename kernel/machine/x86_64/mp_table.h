// SPDX-License-Identifier: BSD-2-Clause
// The tables by which firmware and hypervisors told of CPUs and of the I/O APIC before ACPI, and still do where there is no
// ACPI: QEMU's microvm and pc machines with acpi=off, Firecracker's older versions. Source: Intel MultiProcessor
// Specification 1.4, chapter 4.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "machine/x86_64/acpi.h"

namespace tine::machine {

// The `size` bytes at a physical address; empty where they cannot be read. They stay valid.
using ReadPhysical = std::span<const uint8_t> (*)(PhysAddr address, size_t size);

// Looks for the table and takes CPUs, APIC addresses and the routes of ISA interrupts from it. False, and `info` unchanged,
// if there is no table whose checksums and lengths are right and that has a usable CPU. Counts CPUs beyond
// kMaxCpus, as ACPI's reader does.
bool read_mp_table(ReadPhysical read, AcpiInfo& info);

}  // namespace tine::machine
