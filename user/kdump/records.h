// SPDX-License-Identifier: BSD-2-Clause
// What one record of a trace file says, for a reader.
#pragma once

#include <sys/ktrace.h>

namespace kdump {

enum class IoStyle : unsigned char { Text, Hexadecimal, HexadecimalAndText };

struct Style {
  IoStyle io = IoStyle::Text;
  size_t most_io = 4096;      // bytes to print of each read or write
  bool plain = false;         // numbers as they are, no names
};

// "CALL", "RET ", ...; "????" for what is not known.
const char* type_name(unsigned type);
// All of the record after its type, with a newline.
void print_record(const ktr_header& header, const unsigned char* contents, const Style& style);

}  // namespace kdump
