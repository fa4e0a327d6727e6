// SPDX-License-Identifier: BSD-2-Clause
#include "process/program_arguments.h"

#include <algorithm>
#include <cstring>

#include "base/units.h"
#include "machine/paging.h"
#include "process/process.h"
#include "vm/user_ptr.h"

namespace tine::process {

namespace {

inline constexpr size_t kLongestString = 128_KiB;  // MAX_ARG_STRLEN, with the terminating 0
inline constexpr size_t kLeastLimit = 128_KiB;     // ARG_MAX that every program may count on
inline constexpr size_t kLargestBuffer = 4_MiB;
inline constexpr size_t kMostLimit = 3_MiB;        // what a Buffer holds, with room to spare
inline constexpr size_t kFirstText = 2_KiB;
inline constexpr size_t kFirstStarts = 64;

size_t arguments_limit(uint64_t stack_limit) {
  return std::clamp<uint64_t>(stack_limit / 4, kLeastLimit, kMostLimit);
}

// A buffer twice as large, or larger, with the same beginning.
template <class T>
Result<> grow(mem::Buffer<T>& buffer, size_t used, size_t needed, size_t first) {
  const size_t doubled = std::min(buffer.size() * 2, kLargestBuffer / sizeof(T));
  auto larger = TRY(mem::Buffer<T>::make(std::max({needed, doubled, first})));
  std::memcpy(larger.data(), buffer.data(), used * sizeof(T));
  buffer = std::move(larger);
  return {};
}

}  // namespace

Result<> ProgramArguments::reserve(size_t bytes) {
  if (used_ + bytes + (count_ + 1) * sizeof(uintptr_t) > limit_) return Error(Errno::TooBig);
  if (used_ + bytes > text_.size()) TRY(grow(text_, used_, used_ + bytes, kFirstText));
  if (count_ == starts_.size()) TRY(grow(starts_, count_, count_ + 1, kFirstStarts));
  return {};
}

Result<> ProgramArguments::add(std::string_view string) {
  if (string.size() >= kLongestString) return Error(Errno::TooBig);
  TRY(reserve(string.size() + 1));
  starts_[count_++] = static_cast<uint32_t>(used_);
  std::memcpy(text_.data() + used_, string.data(), string.size());
  used_ += string.size();
  text_[used_++] = '\0';
  return {};
}

Result<> ProgramArguments::add_user_string(uintptr_t address) {
  size_t room = 1;
  while (true) {
    TRY(reserve(room));
    // All the room there is, so that few strings are copied twice.
    const size_t available = std::min({text_.size() - used_, kLongestString, limit_ - used_});
    const auto copied =
        vm::copy_string(vm::UserPtr<const char>(address), text_.span().subspan(used_, available));
    if (copied) {
      starts_[count_++] = static_cast<uint32_t>(used_);
      used_ += copied->size() + 1;
      return {};
    }
    if (copied.error() != Errno::NameTooLong) return Error(copied.error());
    if (available >= kLongestString) return Error(Errno::TooBig);
    room = available + 1;
  }
}

Result<> ProgramArguments::add_user_strings(uintptr_t user_vector) {
  if (user_vector == 0) return {};
  // Pointers are read some at a time, but never past the page that they are known to reach into.
  uintptr_t pointers[16];
  while (true) {
    const size_t to_page_end = machine::kPageSize - user_vector % machine::kPageSize;
    const size_t count = std::clamp<size_t>(to_page_end / sizeof(uintptr_t), 1, std::size(pointers));
    TRY(vm::copy_in(pointers, user_vector, count * sizeof(uintptr_t)));
    for (size_t i = 0; i < count; ++i) {
      if (pointers[i] == 0) return {};
      TRY(add_user_string(pointers[i]));
    }
    user_vector += count * sizeof(uintptr_t);
  }
}

void ProgramArguments::end_argv() {
  argc_ = static_cast<unsigned>(count_);
  argv_bytes_ = used_;
}

Result<ProgramArguments> ProgramArguments::for_script(std::string_view interpreter, std::string_view argument,
                                                      std::string_view script) const {
  ProgramArguments result(limit_);
  TRY(result.add(interpreter));
  if (!argument.empty()) TRY(result.add(argument));
  TRY(result.add(script));
  for (size_t i = 1; i < argc_; ++i) TRY(result.add(string(i)));
  result.end_argv();
  for (size_t i = argc_; i < count_; ++i) TRY(result.add(string(i)));
  return result;
}

Result<ProgramArguments> copy_arguments(uintptr_t user_argv, uintptr_t user_envp) {
  ProgramArguments arguments(arguments_limit(current().process().limit(Resource::Stack)));
  TRY(arguments.add_user_strings(user_argv));
  // Programs take it for granted that argv[0] is there.
  if (arguments.starts().empty()) TRY(arguments.add(""));
  arguments.end_argv();
  TRY(arguments.add_user_strings(user_envp));
  return arguments;
}

Result<ProgramArguments> make_arguments(std::span<const std::string_view> argv,
                                        std::span<const std::string_view> envp) {
  ProgramArguments arguments(kLeastLimit);
  for (const std::string_view string : argv) TRY(arguments.add(string));
  arguments.end_argv();
  for (const std::string_view string : envp) TRY(arguments.add(string));
  return arguments;
}

}  // namespace tine::process
