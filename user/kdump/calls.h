// SPDX-License-Identifier: BSD-2-Clause
// Names of system calls, errors and signals, and how a call's arguments read.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace kdump {

const char* call_name(int number);     // null: unknown
const char* error_name(int number);    // null: unknown
const char* signal_name(int number);   // "SIGINT"; null: unknown

// "(0x7ffe00, 0x241<O_WRONLY|O_CREAT|O_TRUNC>, 0644)". Those that the call does not have are left out.
void print_arguments(const char* call, const uint64_t* arguments, size_t count);
// What a call returned: most are decimal, addresses are not.
void print_value(const char* call, uint64_t value);

}  // namespace kdump
