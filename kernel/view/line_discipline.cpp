// SPDX-License-Identifier: BSD-2-Clause
// The line discipline: modes and input. What is echoed and shown: line_output.cpp.
#include "view/line_discipline.h"

#include <cstring>

namespace tine::view {
namespace {

constexpr bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (c & 0x80) != 0;
}

}  // namespace

Result<> LineDiscipline::allocate() {
  TRY(input_.allocate(kInputSize));
  return output_.allocate(kOutputSize);
}

void LineDiscipline::set_settings(const Termios& settings) {
  const Termios old = settings_;
  settings_ = settings;
  if ((old.local ^ settings.local) & kIcanon) {
    // What was typed ahead stays readable: as it is in raw mode, as one line (without an end) in canonical mode.
    std::memset(line_ends_, 0, sizeof line_ends_);
    line_start_ = input_.tail();
    if (has(kIcanon) && !input_.empty()) {
      set_line_end(input_.head() - 1);
      line_start_ = input_.head();
    }
    literal_next_ = false;
  }
  if (old.input & kIxon && !(settings.input & kIxon)) stopped_ = false;
}

size_t LineDiscipline::input_room() const {
  const size_t room = input_.room() - (input_.room() == 0 ? 0 : 1);   // one place is kept for the end of a line
  const bool line_ready = has(kIcanon) && line_start_ != input_.tail();
  return room == 0 && has(kIcanon) && !line_ready ? 1 : room;
}

uint8_t LineDiscipline::receive(std::span<const char> input) {
  uint8_t effects = 0;
  for (const char c : input) effects |= receive_byte(c);
  return effects;
}

uint8_t LineDiscipline::receive_byte(char c) {
  if (settings_.input & kIstrip) c &= 0x7f;

  if (literal_next_) {
    literal_next_ = false;
    if (has(kEcho)) {
      if (line_start_ == input_.head()) line_column_ = column_;
      echo(c);
    }
    put_input(c);
    return 0;
  }

  if (settings_.input & kIxon) {
    if (is_character(c, kVStart)) return stopped_ = false, 0;
    if (is_character(c, kVStop)) return stopped_ = true, 0;
    if (stopped_ && settings_.input & kIxany) stopped_ = false;
  }

  if (const uint8_t signal = signal_of(c); signal != 0) {
    if (!has(kNoflsh)) {
      flush_input();
      flush_output();
    }
    if (settings_.input & kIxon) stopped_ = false;
    if (has(kEcho)) echo(c);
    return signal;
  }

  if (c == '\r') {
    if (settings_.input & kIgncr) return 0;
    if (settings_.input & kIcrnl) c = '\n';
  } else if (c == '\n' && settings_.input & kInlcr) {
    c = '\r';
  }

  if (has(kIcanon) && receive_editing(c)) return 0;

  if (has(kEcho)) {
    if (c == '\n') {
      echo_raw(c);
    } else {
      if (line_start_ == input_.head()) line_column_ = column_;
      echo(c);
    }
  }
  put_input(c);
  return 0;
}

uint8_t LineDiscipline::signal_of(char c) const {
  if (!has(kIsig)) return 0;
  if (is_character(c, kVIntr)) return kInterrupt;
  if (is_character(c, kVQuit)) return kQuit;
  if (is_character(c, kVSusp)) return kSuspend;
  return 0;
}

// Canonical mode's special characters; false: an ordinary one.
bool LineDiscipline::receive_editing(char c) {
  const bool extended = has(kIexten);
  if (is_character(c, kVErase) || is_character(c, kVKill) || (is_character(c, kVWerase) && extended)) {
    erase(c);
    return true;
  }
  if (is_character(c, kVLnext) && extended) {
    literal_next_ = true;
    if (has(kEcho) && has(kEchoctl)) echo_unprocessed("^\b");
    return true;
  }
  if (is_character(c, kVReprint) && extended && has(kEcho)) {
    reprint();
    return true;
  }
  if (c == '\n') {
    if (has(kEcho) || has(kEchonl)) echo_raw('\n');
    end_line(c);
    return true;
  }
  if (is_character(c, kVEof)) {
    end_line(kEndOfFileMark);
    return true;
  }
  if (is_character(c, kVEol) || (is_character(c, kVEol2) && extended)) {
    if (has(kEcho)) {
      if (line_start_ == input_.head()) line_column_ = column_;
      echo(c);
    }
    end_line(c);
    return true;
  }
  return false;
}

void LineDiscipline::put_input(char c) {
  if (input_.room() <= 1) {
    if (settings_.input & kImaxbel) echo_unprocessed("\a");
    return;
  }
  clear_line_end(input_.head());
  input_.put(c);
}

void LineDiscipline::end_line(char c) {
  if (input_.room() == 0) return;
  set_line_end(input_.head());
  input_.put(c);
  line_start_ = input_.head();
}

// VERASE, VWERASE and VKILL: takes the end of the edited line back, on the screen too.
void LineDiscipline::erase(char c) {
  if (input_.head() == line_start_) return;
  enum class Unit : uint8_t { Character, Word, Line } unit = Unit::Line;
  if (is_character(c, kVErase)) {
    unit = Unit::Character;
  } else if (is_character(c, kVWerase) && has(kIexten)) {
    unit = Unit::Word;
  } else if (!has(kEcho) || !has(kEchok) || !has(kEchoke) || !has(kEchoe)) {
    input_.rewind(line_start_);
    if (!has(kEcho)) return;
    echo(c);
    if (has(kEchok)) echo_raw('\n');
    return;
  }

  bool in_word = false;
  while (input_.head() != line_start_) {
    size_t start = input_.head();
    do --start;
    while (start != line_start_ && is_continuation(input_.at(start)));
    const char erased = input_.at(start);
    if (unit == Unit::Word) {
      if (in_word && !is_word(erased)) break;
      in_word |= is_word(erased);
    }
    input_.rewind(start);
    if (has(kEcho)) {
      if (unit == Unit::Character && !has(kEchoe)) {
        echo(c);
      } else {
        erase_one_on_screen(erased);
      }
    }
    if (unit == Unit::Character) break;
  }
}

bool LineDiscipline::readable(size_t least) const {
  return has(kIcanon) ? line_start_ != input_.tail() : input_.size() >= least;
}

size_t LineDiscipline::input_size() const {
  if (!has(kIcanon)) return input_.size();
  size_t size = 0;
  for (size_t i = input_.tail(); i != line_start_; ++i)
    if (!is_line_end(i) || input_.at(i) != kEndOfFileMark) ++size;
  return size;
}

LineDiscipline::Chunk LineDiscipline::read(std::span<char> into) {
  Chunk chunk;
  if (!has(kIcanon)) {
    while (chunk.size != into.size() && !input_.empty()) {
      into[chunk.size++] = input_.at(input_.tail());
      input_.drop(1);
    }
    line_start_ = input_.tail();
    return chunk;
  }
  while (input_.tail() != line_start_ && !chunk.complete) {
    const size_t position = input_.tail();
    const char c = input_.at(position);
    const bool end = is_line_end(position);
    const bool end_of_file = end && c == kEndOfFileMark;
    // An end-of-file mark right behind a full buffer goes with it; else the next read would see a false end of file.
    if (chunk.size == into.size() && !end_of_file) break;
    if (!end_of_file) into[chunk.size++] = c;
    input_.drop(1);
    chunk.complete = end;
  }
  return chunk;
}

void LineDiscipline::flush_input() {
  input_.clear();
  line_start_ = input_.tail();
  literal_next_ = false;
}

}  // namespace tine::view
