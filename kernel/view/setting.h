// SPDX-License-Identifier: BSD-2-Clause
// Settings: named values of the kernel that programs read and change under /proc/sys, and by sysctl(2) under the same
// names with dots. A setting is registered once and lives for ever. Source: sysctl(8), proc(5).
#pragma once

#include <charconv>
#include <string_view>

#include "base/result.h"
#include "view/text_sink.h"

namespace tine::view {

struct Setting {
  const char* path;                              // "kernel/hostname", below /proc/sys
  Result<> (*print)(TextSink& sink);             // the value and a newline
  // null: cannot be written; others are root's to write. Inval for what makes no sense.
  Result<> (*store)(std::string_view text) = nullptr;
  Setting* next = nullptr;
};

void register_setting(Setting& setting);
template <size_t kCount>
void register_settings(Setting (&settings)[kCount]) {
  for (Setting& setting : settings) register_setting(setting);
}

Setting* first_setting();                        // in the order of registration
Setting* find_setting(std::string_view name);    // with slashes or dots; null: none

// A number in `least` ... `most`, with blanks around it. Inval.
template <class Number>
Result<Number> parse_number(std::string_view text, Number least, Number most) {
  constexpr std::string_view kBlanks = " \t\n";
  text.remove_prefix(std::min(text.find_first_not_of(kBlanks), text.size()));
  while (!text.empty() && kBlanks.contains(text.back())) text.remove_suffix(1);
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return Error(Errno::Inval);
  if (value < least || value > most) return Error(Errno::Inval);
  return value;
}

// Boot: the settings of the layers below (settings.cpp). Later layers register their own.
void register_own_settings();
void register_limit_settings();                  // limit_settings.cpp

}  // namespace tine::view
