// SPDX-License-Identifier: BSD-2-Clause
// The first serial port, as the firmware left it: for messages from before there are drivers, panics above
// all.
#include "machine/x86_64/early_console.h"

#include "machine/io.h"

namespace tine::machine {

namespace {

constexpr uint16_t kData = 0x3f8, kLineStatus = 0x3fd;
constexpr uint8_t kTransmitterEmpty = 0x20, kNoDevice = 0xff;

// False once the port has not taken a byte: it is broken, or an absent one that reads as zeros.
constinit bool works = true;

void write_byte(char byte) {
  int tries = 100'000;
  while (works && !(read_port8(kLineStatus) & kTransmitterEmpty)) works = --tries > 0;
  if (works) write_port8(kData, static_cast<uint8_t>(byte));
}

}  // namespace

void write_early_console(std::string_view text) {
  if (read_port8(kLineStatus) == kNoDevice) return;
  for (const char byte : text) {
    if (byte == '\n') write_byte('\r');
    write_byte(byte);
  }
}

}  // namespace tine::machine
