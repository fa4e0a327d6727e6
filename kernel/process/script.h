// SPDX-License-Identifier: BSD-2-Clause
// The first line of a script: "#!", an interpreter, perhaps one argument. Pure text; tested on the host.
// Source: execve(2), "Interpreter scripts".
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

namespace tine::process {

inline constexpr size_t kLongestScriptLine = 255;  // "#!" included
inline constexpr unsigned kMostScriptLevels = 5;   // scripts whose interpreter is a script

struct ScriptLine {
  std::string_view interpreter;
  std::string_view argument;  // everything after it, inner spaces included; empty: none
};

inline bool is_script(std::string_view head) { return head.starts_with("#!"); }

// `head`: the beginning of the file, at least its first kLongestScriptLine bytes if it is that long. The
// views point into it. NoExec: no interpreter is named, or its name is cut off by the limit.
inline Result<ScriptLine> parse_script_line(std::string_view head) {
  constexpr std::string_view kBlanks = " \t";
  if (!is_script(head)) return Error(Errno::NoExec);
  const size_t newline = head.find('\n');
  const bool complete =
      newline < kLongestScriptLine || (newline == head.npos && head.size() < kLongestScriptLine);
  std::string_view line =
      head.substr(2, (complete && newline != head.npos ? newline : kLongestScriptLine) - 2);
  if (const size_t zero = line.find('\0'); zero != line.npos) line = line.substr(0, zero);

  const size_t start = line.find_first_not_of(kBlanks);
  if (start == line.npos) return Error(Errno::NoExec);
  line.remove_prefix(start);
  const size_t end = line.find_first_of(kBlanks);
  // Of a line that is too long only the argument may be cut.
  if (end == line.npos && !complete) return Error(Errno::NoExec);
  ScriptLine result{line.substr(0, end), {}};
  if (end == line.npos) return result;
  line.remove_prefix(end);
  const size_t argument = line.find_first_not_of(kBlanks);
  if (argument == line.npos) return result;
  result.argument = line.substr(argument, line.find_last_not_of(kBlanks) + 1 - argument);
  return result;
}

}  // namespace tine::process
