// SPDX-License-Identifier: BSD-2-Clause
// The line discipline: output processing, echo, and how erased characters leave the screen.
#include "view/line_discipline.h"

namespace tine::view {
namespace {

constexpr bool is_control(char c) { return static_cast<uint8_t>(c) < 32 || c == 127; }

}  // namespace

size_t LineDiscipline::write(std::span<const char> text) {
  size_t taken = 0;
  while (taken != text.size() && output_accepts() && put_output(text[taken])) ++taken;
  return taken;
}

// Appends `c` as output processing (OPOST) changes it, and follows the cursor.
bool LineDiscipline::put_output(char c) {
  if (output_.room() < kLongestExpansion) return false;
  if (!(settings_.output & kOpost)) {
    output_.put(c);
    return true;
  }
  switch (c) {
    case '\n':
      if (settings_.output & (kOnlcr | kOnlret)) column_ = line_column_ = 0;
      if (settings_.output & kOnlcr) output_.put('\r');
      break;
    case '\r':
      if (settings_.output & kOnocr && column_ == 0) return true;
      if (settings_.output & kOcrnl) {
        c = '\n';
        if (!(settings_.output & kOnlret)) break;
      }
      column_ = line_column_ = 0;
      break;
    case '\t': {
      const unsigned spaces = 8 - (column_ & 7);
      column_ += spaces;
      if ((settings_.output & kTabMask) != kTab3) break;
      for (unsigned i = 0; i < spaces; ++i) output_.put(' ');
      return true;
    }
    case '\b':
      if (column_ > 0) --column_;
      break;
    default:
      if (!is_control(c) && !is_continuation(c)) ++column_;
  }
  output_.put(c);
  return true;
}

void LineDiscipline::echo(char c) {
  if (has(kEchoctl) && is_control(c) && c != '\t') {
    echo_raw('^');
    echo_raw(static_cast<char>(c ^ 0100));
  } else {
    echo_raw(c);
  }
}

void LineDiscipline::echo_raw(char c) {
  (void)put_output(c);   // echo that finds no room is lost: typing must not wait for the screen
}

// For sequences that move the cursor forth and back.
void LineDiscipline::echo_unprocessed(const char* text) {
  for (; *text != '\0' && output_.room() != 0; ++text) {
    if (*text == '\b' && column_ > 0) --column_;
    else if (!is_control(*text)) ++column_;
    output_.put(*text);
  }
}

void LineDiscipline::erase_one_on_screen(char c) {
  if (c == '\t') return erase_tab_on_screen();
  if (is_control(c)) {
    if (has(kEchoctl)) echo_unprocessed("\b \b\b \b");
    return;
  }
  echo_unprocessed("\b \b");
}

// Goes back to where the cursor was before the tab: found by measuring what is left of the line.
void LineDiscipline::erase_tab_on_screen() {
  unsigned width = 0;
  bool after_tab = false;
  for (size_t i = input_.head(); i != line_start_ && !after_tab;) {
    const char c = input_.at(--i);
    if (c == '\t') {
      after_tab = true;
    } else if (is_control(c)) {
      width += has(kEchoctl) ? 2 : 0;
    } else if (!is_continuation(c)) {
      ++width;
    }
  }
  if (!after_tab) width += line_column_;   // behind a tab the column is a multiple of 8 in any case
  for (unsigned spaces = 8 - (width & 7); spaces != 0; --spaces) echo_unprocessed("\b");
}

void LineDiscipline::reprint() {
  echo(static_cast<char>(settings_.characters[kVReprint]));
  echo_raw('\n');
  for (size_t i = line_start_; i != input_.head(); ++i) echo(input_.at(i));
}

}  // namespace tine::view
