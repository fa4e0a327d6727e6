// SPDX-License-Identifier: BSD-2-Clause
// The first serial port, as the firmware left it: for messages from before there are drivers, panics above
// all.
#include "machine/x86_64/early_console.h"

#include "machine/io.h"

namespace tine::machine {

namespace {

constexpr uint16_t kData = 0x3f8, kLineStatus = 0x3fd;
constexpr uint8_t kTransmitterEmpty = 0x20, kNoDevice = 0xff;

void write_byte(char byte) {
  for (int i = 0; i < 100'000 && !(read_port8(kLineStatus) & kTransmitterEmpty); i++) {
  }
  write_port8(kData, static_cast<uint8_t>(byte));
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
