// SPDX-License-Identifier: BSD-2-Clause
// The arguments and environment of a program to be: strings, NUL-terminated, one after the other, with where
// each starts. Source: execve(2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"
#include "mem/buffer.h"

namespace tine::process {

class ProgramArguments {
 public:
  // `limit`: most bytes, the pointers that the program will need included. TooBig beyond.
  explicit ProgramArguments(size_t limit) : limit_(limit) {}
  ProgramArguments(ProgramArguments&&) noexcept = default;
  ProgramArguments& operator=(ProgramArguments&&) noexcept = default;

  unsigned argc() const { return argc_; }
  unsigned envc() const { return static_cast<unsigned>(count_) - argc_; }
  std::span<const char> text() const { return {text_.data(), used_}; }  // argv, then the environment
  std::span<const char> argv_text() const { return text().first(argv_bytes_); }
  std::span<const uint32_t> starts() const { return {starts_.data(), count_}; }  // in text()

  // argv first; end_argv() once; then the environment. Errors: TooBig, NoMem, Fault.
  Result<> add(std::string_view string);
  Result<> add_user_strings(uintptr_t user_vector);  // a null-terminated vector of pointers
  void end_argv();

  // A script's arguments: argv[0] gives way to interpreter, argument (if not empty) and script.
  Result<ProgramArguments> for_script(std::string_view interpreter, std::string_view argument,
                                      std::string_view script) const;

 private:
  Result<> add_user_string(uintptr_t address);
  Result<> reserve(size_t bytes);  // room for `bytes` more, and for one more start
  std::string_view string(size_t i) const { return text_.data() + starts_[i]; }

  size_t limit_;
  mem::Buffer<char> text_;
  mem::Buffer<uint32_t> starts_;
  size_t used_ = 0;
  size_t count_ = 0;
  unsigned argc_ = 0;
  size_t argv_bytes_ = 0;
};

// From user memory; at most a quarter of RLIMIT_STACK of the running process.
Result<ProgramArguments> copy_arguments(uintptr_t user_argv, uintptr_t user_envp);
Result<ProgramArguments> make_arguments(std::span<const std::string_view> argv,
                                        std::span<const std::string_view> envp);

}  // namespace tine::process
