// SPDX-License-Identifier: BSD-2-Clause
// The line discipline: turns what is typed into lines or raw input, echoes it, and turns what programs write into what
// the terminal shows. A state machine over two queues, without locks, signals or sleeping: those are Tty's affair.
// Source: termios(3), and the behaviour of Linux's n_tty, which terminal programs rely on.
#pragma once

#include <cstdint>
#include <span>

#include "view/byte_ring.h"
#include "view/termios.h"

namespace tine::view {

class LineDiscipline {
 public:
  static constexpr size_t kInputSize = 4096;    // the longest line, its end included; a longer one loses characters
  static constexpr size_t kOutputSize = 4096;

  // What input asks for besides filling the queues.
  enum Effect : uint8_t { kInterrupt = 1, kQuit = 2, kSuspend = 4 };

  explicit LineDiscipline(const Termios& settings) : settings_(settings) {}
  Result<> allocate();

  const Termios& settings() const { return settings_; }
  void set_settings(const Termios& settings);

  // --- Input: from the terminal's keyboard to its readers ---

  // How many bytes receive() takes without losing any. Never 0 while no reader could make room: a line that is too
  // long loses characters instead of blocking the terminal for ever.
  size_t input_room() const;
  // Returns the Effect bits of all bytes.
  uint8_t receive(std::span<const char> input);

  // Whether a read would return at once: a line in canonical mode, `least` bytes in raw mode.
  bool readable(size_t least) const;
  size_t input_size() const;                    // what FIONREAD says
  struct Chunk {
    size_t size = 0;
    bool complete = false;                      // the read ends here: end of line, end of file
  };
  // Takes out up to the next end of line (canonical) or whatever there is (raw).
  Chunk read(std::span<char> into);
  void flush_input();

  // --- Output: from writers, and from echo, to the terminal ---

  // Puts as much of `text` as fits into the output queue; returns how much that was.
  size_t write(std::span<const char> text);
  bool output_accepts() const { return !stopped_ && output_.room() > kEchoReserve + kLongestExpansion; }
  // What may be sent now: nothing while the terminal has been stopped (^S).
  std::span<const char> sendable() const { return stopped_ ? std::span<const char>() : output_.front(); }
  void sent(size_t count) { output_.drop(count); }
  size_t output_size() const { return output_.size(); }
  void flush_output() { output_.clear(); }
  bool stopped() const { return stopped_; }
  void set_stopped(bool stopped) { stopped_ = stopped; }

 private:
  static constexpr size_t kLongestExpansion = 8;   // a tab
  static constexpr size_t kEchoReserve = 512;      // room that writers leave for echo
  static constexpr char kEndOfFileMark = '\0';     // with its line-end bit set: ends a read, is not data

  bool has(uint32_t local_flag) const { return settings_.local & local_flag; }
  bool is_character(char c, unsigned index) const {
    return settings_.characters[index] != 0 && static_cast<uint8_t>(c) == settings_.characters[index];
  }
  bool is_continuation(char c) const { return settings_.input & kIutf8 && (c & 0xc0) == 0x80; }

  uint8_t receive_byte(char c);
  uint8_t signal_of(char c) const;
  bool receive_editing(char c);
  void put_input(char c);
  void end_line(char c);
  void erase(char c);
  void erase_one_on_screen(char c);
  void erase_tab_on_screen();
  void reprint();

  void echo(char c);                // as ^X if it is a control character
  void echo_raw(char c);            // through output processing only
  void echo_unprocessed(const char* text);
  bool put_output(char c);          // false: no room

  bool is_line_end(size_t position) const {
    return line_ends_[position % kInputSize / 64] >> (position % 64) & 1;
  }
  void set_line_end(size_t position) { line_ends_[position % kInputSize / 64] |= uint64_t{1} << (position % 64); }
  void clear_line_end(size_t position) { line_ends_[position % kInputSize / 64] &= ~(uint64_t{1} << (position % 64)); }

  Termios settings_;
  ByteRing input_;
  ByteRing output_;
  uint64_t line_ends_[kInputSize / 64] = {};
  size_t line_start_ = 0;           // position in input_ of the line that is being edited
  bool literal_next_ = false;       // after VLNEXT
  bool stopped_ = false;
  unsigned column_ = 0;             // of the cursor
  unsigned line_column_ = 0;        // where the echo of the edited line began
};

}  // namespace tine::view
