// SPDX-License-Identifier: BSD-2-Clause
#include "file/cpio.h"

#include <algorithm>
#include <cstdarg>

#include "base/format.h"
#include "base/units.h"

namespace tine::file {
namespace {

constexpr size_t kHeaderSize = 110;
constexpr unsigned kFieldCount = 13, kFieldSize = 8;
constexpr size_t kMagicSize = 6;
constexpr size_t kLongestName = 4096;
constexpr std::string_view kTrailer = "TRAILER!!!";

enum Field : unsigned {
  kInode, kMode, kUid, kGid, kLinks, kModified, kFileSize, kDeviceMajor, kDeviceMinor, kSpecialMajor, kSpecialMinor,
  kNameSize, kChecksum,
};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::optional<uint32_t> parse_hex(std::string_view digits) {
  uint32_t value = 0;
  for (const char digit : digits) {
    uint32_t part = 0;
    if (digit >= '0' && digit <= '9') part = digit - '0';
    else if (digit >= 'a' && digit <= 'f') part = digit - 'a' + 10;
    else if (digit >= 'A' && digit <= 'F') part = digit - 'A' + 10;
    else return std::nullopt;
    value = value << 4 | part;
  }
  return value;
}

// What a file that is no newc archive seems to be; null: no idea.
const char* guess_format(std::string_view start) {
  struct Known {
    std::string_view magic;
    const char* name;
  };
  using namespace std::string_view_literals;
  static constexpr Known kKnown[] = {
      {"\x1f\x8b"sv, "compressed with gzip"},   {"\xfd" "7zXZ\0"sv, "compressed with xz"},
      {"\x28\xb5\x2f\xfd"sv, "compressed with zstd"}, {"BZh"sv, "compressed with bzip2"},
      {"\x02\x21\x4c\x18"sv, "compressed with lz4"},  {"\x04\x22\x4d\x18"sv, "compressed with lz4"},
      {"\x5d\0\0"sv, "compressed with lzma"},    {"\x89LZO"sv, "compressed with lzo"},
      {"070707"sv, "a cpio archive in the old odc format"}, {"\xc7\x71"sv, "a cpio archive in the old binary format"},
      {"\x7f" "ELF"sv, "an ELF program"},
  };
  for (const Known& known : kKnown)
    if (start.starts_with(known.magic)) return known.name;
  return nullptr;
}

}  // namespace

void CpioReader::fail(const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  problem_size_ = format_v(problem_, format, arguments).size();
  va_end(arguments);
}

// To the next header, over zeros between archives. False: there is none.
bool CpioReader::skip_padding() {
  while (at_ < archive_.size() && archive_[at_] == std::byte{0}) at_++;
  return at_ < archive_.size();
}

std::optional<CpioMember> CpioReader::next() {
  if (problem_size_ != 0) return std::nullopt;
  if (!in_archive_ && !skip_padding()) {
    if (!any_) fail("the initrd is empty");
    return std::nullopt;
  }
  const std::string_view rest = text_of(archive_.subspan(at_));
  if (rest.size() < kHeaderSize) {
    if (!any_ && !std::string_view("070701").starts_with(rest.substr(0, kMagicSize))) {
      const char* guess = guess_format(rest);
      fail("the initrd is %s, not an uncompressed newc cpio archive", guess != nullptr ? guess : "something unknown");
    } else {
      fail("the initrd is truncated: it ends at byte %zu, inside a header that starts at byte %zu", archive_.size(), at_);
    }
    return std::nullopt;
  }
  if (!rest.starts_with("070701") && !rest.starts_with("070702")) {
    const char* guess = guess_format(rest);
    if (!in_archive_ && guess != nullptr) {
      fail("the initrd is %s%s, not an uncompressed newc cpio archive", guess, any_ ? " from its second part on" : "");
    } else if (!any_) {
      fail("the initrd is not a newc cpio archive");
    } else {
      fail("the initrd is broken: no cpio header at byte %zu", at_);
    }
    return std::nullopt;
  }

  uint32_t fields[kFieldCount];
  for (unsigned i = 0; i < kFieldCount; i++) {
    const std::optional<uint32_t> value = parse_hex(rest.substr(kMagicSize + i * kFieldSize, kFieldSize));
    if (!value) {
      fail("the initrd is broken: the cpio header at byte %zu has a field that is no number", at_);
      return std::nullopt;
    }
    fields[i] = *value;
  }
  const size_t name_size = fields[kNameSize];
  if (name_size == 0 || name_size > kLongestName) {
    fail("the initrd is broken: the cpio header at byte %zu has a name of %zu bytes", at_, name_size);
    return std::nullopt;
  }
  // Names and data end at multiples of 4 bytes from the archive's beginning.
  const size_t data_start = round_up(at_ + kHeaderSize + name_size, 4);
  const size_t data_end = data_start + fields[kFileSize];
  if (data_start > archive_.size() || data_end > archive_.size()) {
    // The last member's padding may be missing, its bytes not.
    if (fields[kFileSize] != 0 || at_ + kHeaderSize + name_size > archive_.size()) {
      fail("the initrd is truncated: it ends at byte %zu, inside a file that starts at byte %zu", archive_.size(), at_);
      return std::nullopt;
    }
  }
  // More than one 0 may end a name: whoever makes an archive can so align the data to pages.
  const std::string_view field = rest.substr(kHeaderSize, name_size);
  const std::string_view name = field.substr(0, field.find('\0'));
  if (field.back() != '\0' || field.find_first_not_of('\0', name.size()) != std::string_view::npos) {
    fail("the initrd is broken: the cpio header at byte %zu has a name that does not end where it should", at_);
    return std::nullopt;
  }

  CpioMember member;
  member.name = name;
  member.offset = at_;
  member.inode = fields[kInode], member.mode = fields[kMode], member.uid = fields[kUid], member.gid = fields[kGid];
  member.links = fields[kLinks], member.modified = fields[kModified];
  member.device_major = fields[kDeviceMajor], member.device_minor = fields[kDeviceMinor];
  member.special_major = fields[kSpecialMajor], member.special_minor = fields[kSpecialMinor];
  if (fields[kFileSize] != 0) member.data = archive_.subspan(data_start, fields[kFileSize]);
  member.ends_archive = member.name == kTrailer;

  at_ = std::min<size_t>(round_up(data_end, 4), archive_.size());
  any_ = true;
  in_archive_ = !member.ends_archive;
  return member;
}

}  // namespace tine::file
