// SPDX-License-Identifier: BSD-2-Clause
// Formatting into buffers, by stb_sprintf: C's printf conversions without floating point.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <span>
#include <string_view>

namespace tine {

// Writes at most `buffer.size()` bytes, always terminated; returns the text that fits.
[[gnu::format(printf, 2, 3)]] std::string_view format(std::span<char> buffer, const char* format, ...);
std::string_view format_v(std::span<char> buffer, const char* format, va_list arguments);

}  // namespace tine
