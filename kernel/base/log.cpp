// SPDX-License-Identifier: BSD-2-Clause
// The kernel's message ring. A record is the text "<level>[seconds.micros] message\n", as syslog(2) shows it;
// the console gets it without the level. Everything below is guarded by the environment's lock.
#include "base/log.h"

#include <algorithm>
#include <cstring>

#include "base/format.h"

namespace tine {

namespace {

constexpr size_t kRingSize = 64_KiB;
constexpr size_t kLongestRecord = 512;

constinit char ring[kRingSize];
constinit uint64_t ring_end = 0;  // absolute position: bytes ever written
constinit char record_buffer[kLongestRecord];  // the record in the making: stacks have no room for it
constinit LogLevel console_level = LogLevel::Info;
constinit ConsoleSink console_sink = nullptr;
constinit LogEnvironment environment = {[] { return Nanoseconds{0}; }, [] {}, [] {}};

class LogLock {
 public:
  LogLock() { environment.lock(); }
  ~LogLock() { environment.unlock(); }
  LogLock(const LogLock&) = delete;
  LogLock& operator=(const LogLock&) = delete;
};

void append(std::string_view text) {
  const size_t offset = ring_end % kRingSize;
  const size_t first = std::min(text.size(), kRingSize - offset);
  memcpy(ring + offset, text.data(), first);
  memcpy(ring, text.data() + first, text.size() - first);
  ring_end += text.size();
}

// Formats one record; always ends in a newline, whatever the message ended in and however long it is.
std::string_view format_record(std::span<char> buffer, LogLevel level, const char* message,
                               va_list arguments) {
  const Nanoseconds now = environment.now();
  size_t size = format(buffer, "<%d>[%5llu.%06llu] ", static_cast<int>(level),
                       static_cast<unsigned long long>(now / kSecond),
                       static_cast<unsigned long long>(now % kSecond / kMicrosecond))
                    .size();
  size += format_v(buffer.subspan(size, buffer.size() - size - 1), message, arguments).size();
  if (buffer[size - 1] != '\n') buffer[size++] = '\n';
  return {buffer.data(), size};
}

}  // namespace

void log(LogLevel level, const char* format, ...) {
  constexpr size_t kLevelPrefix = 3;  // "<6>"
  LogLock lock;
  va_list arguments;
  va_start(arguments, format);
  const std::string_view record = format_record(record_buffer, level, format, arguments);
  va_end(arguments);
  append(record);
  if (console_sink != nullptr && level <= console_level) console_sink(record.substr(kLevelPrefix));
}

void set_console_log_level(LogLevel least_important) {
  LogLock lock;
  console_level = least_important;
}

void set_console_sink(ConsoleSink sink) {
  LogLock lock;
  console_sink = sink;
}

void set_log_environment(const LogEnvironment& new_environment) { environment = new_environment; }

LogRead read_log(uint64_t from, char* into, size_t size) {
  LogLock lock;
  const uint64_t oldest = ring_end < kRingSize ? 0 : ring_end - kRingSize;
  const uint64_t start = std::clamp(from, oldest, ring_end);
  const size_t copied = std::min<uint64_t>(size, ring_end - start);
  for (size_t i = 0; i < copied; i++) into[i] = ring[(start + i) % kRingSize];
  return {copied, start + copied};
}

}  // namespace tine
