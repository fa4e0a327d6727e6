// SPDX-License-Identifier: BSD-2-Clause
// The machine around init: file systems to mount, the host to talk to, the switch to turn it off.
#pragma once

namespace init {

// Mounts what programs expect under /proc, /dev and /sys. What this kernel does not have is left out.
void mount_file_systems();

// Writes a line to the serial port that the host reads: the second, or the first on a machine that has no second.
void tell_host(const char* text);

// Hands the status to the host and ends the machine.
[[noreturn]] void power_off(int status);

}  // namespace init
