// SPDX-License-Identifier: BSD-2-Clause
// Unpacks the initrd into the root file system. File data that lies on whole pages of the archive is referred to where it
// is; other data is copied, and the archive's pages are handed to the frame allocator as the unpacking moves past them.
// Source: Linux's initramfs rules: directories that are missing are made, later members replace earlier ones.
#pragma once

#include <array>
#include <cstddef>
#include <expected>
#include <span>
#include <string_view>

#include "file/path.h"

namespace tine::file {

// What is wrong, in one sentence for the console.
struct InitrdProblem {
  std::array<char, 192> buffer{};
  size_t size = 0;
  std::string_view text() const { return {buffer.data(), size}; }
};

struct InitrdSummary {
  unsigned members = 0;
  uint64_t bytes = 0;               // of file data
  uint64_t shared_pages = 0;        // pages of the archive that files refer to
};

// `archive` is BootInfo::initrd; `root` is the root of a tmpfs. On success the archive's memory belongs to the files and
// to the allocator.
std::expected<InitrdSummary, InitrdProblem> unpack_initrd(std::span<const std::byte> archive, const Path& root);

}  // namespace tine::file
