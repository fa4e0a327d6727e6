// SPDX-License-Identifier: BSD-2-Clause
// Terminal settings as programs give them. Layout and values are Linux's. Source: termios(3), ioctl_tty(2).
#pragma once

#include <cstdint>

namespace tine::view {

// Indices of control characters.
inline constexpr unsigned kVIntr = 0, kVQuit = 1, kVErase = 2, kVKill = 3, kVEof = 4, kVTime = 5, kVMin = 6, kVStart = 8,
                          kVStop = 9, kVSusp = 10, kVEol = 11, kVReprint = 12, kVDiscard = 13, kVWerase = 14,
                          kVLnext = 15, kVEol2 = 16, kControlCharacters = 19;

// Input flags.
inline constexpr uint32_t kIstrip = 0000040, kInlcr = 0000100, kIgncr = 0000200, kIcrnl = 0000400, kIxon = 0002000,
                          kIxany = 0004000, kImaxbel = 0020000, kIutf8 = 0040000;
// Output flags.
inline constexpr uint32_t kOpost = 0000001, kOnlcr = 0000004, kOcrnl = 0000010, kOnocr = 0000020, kOnlret = 0000040,
                          kTabMask = 0014000, kTab3 = 0014000;
// Control flags.
inline constexpr uint32_t kB9600 = 0000015, kB38400 = 0000017, kB115200 = 0010002, kCs8 = 0000060, kCread = 0000200,
                          kHupcl = 0002000, kClocal = 0004000;
// Local flags.
inline constexpr uint32_t kIsig = 0000001, kIcanon = 0000002, kEcho = 0000010, kEchoe = 0000020, kEchok = 0000040,
                          kEchonl = 0000100, kNoflsh = 0000200, kTostop = 0000400, kEchoctl = 0001000,
                          kEchoke = 0004000, kIexten = 0100000;

// struct termios of the kernel's ABI, which is shorter than the C library's.
struct Termios {
  uint32_t input = kIcrnl | kIxon;
  uint32_t output = kOpost | kOnlcr;
  uint32_t control = kB38400 | kCs8 | kCread | kHupcl;
  uint32_t local = kIsig | kIcanon | kEcho | kEchoe | kEchok | kEchoctl | kEchoke | kIexten;
  uint8_t line = 0;
  // ^C ^\ DEL ^U, ^D 0 1 0, ^Q ^S ^Z 0, ^R ^O ^W ^V, and the rest unused
  uint8_t characters[kControlCharacters] = {3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0};
};
static_assert(sizeof(Termios) == 36);

// struct termios2: with speeds as numbers, which a virtual line keeps but does not need.
struct Termios2 {
  Termios base;
  uint32_t input_speed;
  uint32_t output_speed;
};
static_assert(sizeof(Termios2) == 44);

struct WindowSize {  // struct winsize
  uint16_t rows = 0, columns = 0, x_pixels = 0, y_pixels = 0;
  bool operator==(const WindowSize&) const = default;
};

}  // namespace tine::view
