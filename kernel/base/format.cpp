// SPDX-License-Identifier: BSD-2-Clause
#include "base/format.h"

#define STB_SPRINTF_NOFLOAT
#define STB_SPRINTF_MIN 64   // bytes on the stack; longer text goes right into the buffer
#define STB_SPRINTF_NOUNALIGNED
#define STB_SPRINTF_STATIC
#define STB_SPRINTF_IMPLEMENTATION
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wunused-function"
#include <stb/stb_sprintf.h>
#pragma clang diagnostic pop

namespace tine {

std::string_view format_v(std::span<char> buffer, const char* format, va_list arguments) {
  if (buffer.empty()) return {};
  const int wanted = stbsp_vsnprintf(buffer.data(), static_cast<int>(buffer.size()), format, arguments);
  const size_t fits = buffer.size() - 1;
  return {buffer.data(), wanted < 0 ? 0 : (static_cast<size_t>(wanted) < fits ? static_cast<size_t>(wanted) : fits)};
}

std::string_view format(std::span<char> buffer, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  const std::string_view text = format_v(buffer, format, arguments);
  va_end(arguments);
  return text;
}

}  // namespace tine
