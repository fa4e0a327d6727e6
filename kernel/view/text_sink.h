// SPDX-License-Identifier: BSD-2-Clause
// TextSink: text that is made up when it is read, in a buffer that grows up to 4 MiB. Running out of memory is remembered
// and told at the end, so that printing reads as a straight line.
#pragma once

#include <span>
#include <string_view>

#include "file/file.h"
#include "mem/buffer.h"

namespace tine::view {

class TextSink final : public file::DetailSink {
 public:
  [[gnu::format(printf, 2, 3)]] void print(const char* format, ...) override;
  void put(std::string_view text);
  void put(char c) { put({&c, 1}); }
  // As fields of /proc/mounts and the like are written: blanks, newlines and backslashes as octal numbers.
  void put_escaped(std::string_view text);
  // Blanks up to `column` of the current line, at least one.
  void pad_to(size_t column);

  // Makes room for so much more at once. False: there is no memory; result() will say so.
  bool reserve(size_t more);

  std::string_view text() const { return {buffer_.data(), size_}; }
  Result<> result() const { return failed_ ? Result<>(Error(Errno::NoMem)) : Result<>(); }

 private:
  void added(std::string_view text);   // it lies in the buffer, from size_ on

  mem::Buffer<char> buffer_;
  size_t size_ = 0;
  size_t line_start_ = 0;
  bool failed_ = false;
};

}  // namespace tine::view
