// SPDX-License-Identifier: BSD-2-Clause
// Kernel messages. Each has a level; the console shows those at or above the console level ("quiet" raises it to
// Warning). Messages are kept in a ring that /dev/kmsg and syslog(2) read. Callable from any context, locks held or not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/units.h"

namespace tine {

enum class LogLevel : uint8_t { Error = 3, Warning = 4, Notice = 5, Info = 6, Debug = 7 };  // syslog(3)'s numbers

[[gnu::format(printf, 2, 3)]] void log(LogLevel level, const char* format, ...);

void set_console_log_level(LogLevel least_important);

// Where console bytes go; the UART driver sets it. Called with interrupts off.
using ConsoleSink = void (*)(std::string_view text);
void set_console_sink(ConsoleSink sink);

// What the log needs from the layer above it, which sets it early in the boot. Until then messages carry time 0 and only
// one CPU logs. `lock` keeps other CPUs and interrupts out, and must not block for ever during a panic.
struct LogEnvironment {
  Nanoseconds (*now)();
  void (*lock)();
  void (*unlock)();
};
void set_log_environment(const LogEnvironment& environment);

// Copies up to `size` bytes of the ring, from the absolute position `from`; returns how many, and where the next read
// starts (messages older than the ring are skipped).
struct LogRead {
  size_t copied;
  uint64_t next;
};
LogRead read_log(uint64_t from, char* into, size_t size);

}  // namespace tine
