// SPDX-License-Identifier: BSD-2-Clause
// Mount options: "name=value,name,...", and the numbers in them.
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/result.h"

namespace tine::file {

class OptionString {
 public:
  explicit OptionString(std::string_view text) : rest_(text) {}
  struct Option {
    std::string_view name, value;
  };
  // Empty options are passed over.
  std::optional<Option> next() {
    while (!rest_.empty()) {
      const size_t end = rest_.find(',');
      const std::string_view part = rest_.substr(0, end);
      rest_ = end == std::string_view::npos ? std::string_view() : rest_.substr(end + 1);
      if (part.empty()) continue;
      const size_t equals = part.find('=');
      if (equals == std::string_view::npos) return Option{part, {}};
      return Option{part.substr(0, equals), part.substr(equals + 1)};
    }
    return std::nullopt;
  }

 private:
  std::string_view rest_;
};

inline Result<uint64_t> parse_number(std::string_view text, int base) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return Error(Errno::Inval);
  return value;
}

// "100", "64k", "16M", "2g"; "50%" of `whole` when that is not 0.
inline Result<uint64_t> parse_size(std::string_view text, uint64_t whole) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, 10);
  if (error != std::errc()) return Error(Errno::Inval);
  const std::string_view unit(end, text.size() - static_cast<size_t>(end - text.data()));
  if (unit.empty()) return value;
  if (unit.size() != 1) return Error(Errno::Inval);
  unsigned shift = 0;
  switch (unit.front()) {
    case 'k': case 'K': shift = 10; break;
    case 'm': case 'M': shift = 20; break;
    case 'g': case 'G': shift = 30; break;
    case 't': case 'T': shift = 40; break;
    case '%':
      if (whole == 0 || value > 100) return Error(Errno::Inval);
      return whole / 100 * value;
    default: return Error(Errno::Inval);
  }
  if (value > ~uint64_t{0} >> shift) return Error(Errno::Inval);
  return value << shift;
}

}  // namespace tine::file
