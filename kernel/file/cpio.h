// SPDX-License-Identifier: BSD-2-Clause
// Reads "newc" cpio archives, several of them one after the other with zeros between, as initrds are made. Refers to the
// archive's memory and copies nothing. Safe for any input: whatever is wrong ends the reading with one sentence.
// Source: cpio(5); Linux's initramfs buffer format. Compiles on the host, where it is tested.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

namespace tine::file {

struct CpioMember {
  std::string_view name;             // as in the archive: may begin with "/" or "./"
  uint32_t inode = 0, mode = 0, uid = 0, gid = 0, links = 0, modified = 0;
  uint32_t device_major = 0, device_minor = 0, special_major = 0, special_minor = 0;
  std::span<const std::byte> data;
  size_t offset = 0;                 // of the header in the archive
  bool ends_archive = false;         // TRAILER!!!: hard links do not reach beyond it
};

class CpioReader {
 public:
  explicit CpioReader(std::span<const std::byte> archive) : archive_(archive) {}

  // The next member, the trailers included; nothing at the end or when something is wrong: see problem().
  std::optional<CpioMember> next();
  // One sentence about what is wrong; empty while all is well.
  std::string_view problem() const { return {problem_.data(), problem_size_}; }

 private:
  void fail(const char* format, ...) __attribute__((format(printf, 2, 3)));
  bool skip_padding();

  std::span<const std::byte> archive_;
  size_t at_ = 0;
  bool in_archive_ = false;          // a member has been read since the start or the last trailer
  bool any_ = false;
  std::array<char, 160> problem_{};
  size_t problem_size_ = 0;
};

}  // namespace tine::file
