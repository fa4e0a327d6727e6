// SPDX-License-Identifier: BSD-2-Clause
#include "view/text_sink.h"

#include <algorithm>
#include <cstring>

#include "base/format.h"

namespace tine::view {

bool TextSink::reserve(size_t more) {
  if (failed_) return false;
  if (size_ + more <= buffer_.size()) return true;
  auto larger = mem::Buffer<char>::make(std::max({size_t{1024}, 2 * buffer_.size(), size_ + more}));
  if (!larger) {
    failed_ = true;
    return false;
  }
  std::copy_n(buffer_.data(), size_, larger->data());
  buffer_ = std::move(*larger);
  return true;
}

void TextSink::put(std::string_view text) {
  if (!reserve(text.size())) return;
  std::copy_n(text.data(), text.size(), buffer_.data() + size_);
  added(text);
}

void TextSink::added(std::string_view text) {
  size_ += text.size();
  if (const size_t newline = text.rfind('\n'); newline != text.npos) line_start_ = size_ - (text.size() - newline - 1);
}

void TextSink::print(const char* format, ...) {
  constexpr size_t kLongest = 512;   // nothing printed by format is longer; names and paths go through put()
  if (!reserve(kLongest)) return;
  va_list arguments;
  va_start(arguments, format);
  added(format_v(buffer_.span().subspan(size_, kLongest), format, arguments));
  va_end(arguments);
}

void TextSink::put_escaped(std::string_view text) {
  for (const char c : text) {
    if (c == ' ' || c == '\t' || c == '\n' || c == '\\') {
      print("\\%03o", static_cast<unsigned>(c));
    } else {
      put(c);
    }
  }
}

void TextSink::pad_to(size_t column) {
  do put(' ');
  while (!failed_ && size_ - line_start_ < column);
}

}  // namespace tine::view
