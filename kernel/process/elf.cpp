// SPDX-License-Identifier: BSD-2-Clause
#include "process/elf.h"

#include <algorithm>
#include <bit>
#include <cstring>

#include "base/units.h"
#include "machine/paging.h"

namespace tine::process {

namespace {

using machine::kPageSize;

inline constexpr uint8_t kMagic[] = {0x7f, 'E', 'L', 'F'};
inline constexpr uint8_t kClass64 = 2, kLittleEndian = 1, kCurrentVersion = 1;
inline constexpr uint16_t kFixed = 2, kPositionIndependent = 3, kX86_64 = 62;
inline constexpr uint64_t kLongestPath = 4096;
inline constexpr uint64_t kLargestPins = 8192 * sizeof(PinRecord);
inline constexpr uint64_t kMostAlignment = 1_GiB;

Result<> check_segment(const ElfProgramHeader& segment) {
  if (segment.file_size > segment.memory_size) return Error(Errno::Inval);
  if (segment.address > machine::kUserEnd || segment.memory_size > machine::kUserEnd - segment.address)
    return Error(Errno::Inval);
  // The file's pages are mapped, so what lies together in memory lies together in the file.
  if ((segment.address - segment.offset) % kPageSize != 0) return Error(Errno::Inval);
  constexpr auto kLargestFile = static_cast<uint64_t>(INT64_MAX);
  if (segment.offset > kLargestFile || segment.file_size > kLargestFile - segment.offset)
    return Error(Errno::Inval);
  return {};
}

void add_segment(ElfLayout& layout, const ElfHeader& header, const ElfProgramHeader& segment) {
  const uint64_t start = round_down(segment.address, kPageSize);
  const uint64_t end = round_up(segment.address + segment.memory_size, kPageSize);
  const bool first = layout.end == 0;
  layout.start = first ? start : std::min(layout.start, start);
  layout.end = std::max(layout.end, end);
  if (std::has_single_bit(segment.alignment) && segment.alignment <= kMostAlignment)
    layout.alignment = std::max(layout.alignment, segment.alignment);
  const uint64_t table = header.program_header_offset;
  const uint64_t table_size = uint64_t{header.program_header_count} * sizeof(ElfProgramHeader);
  if (table >= segment.offset && table - segment.offset < segment.file_size &&
      table_size <= segment.file_size - (table - segment.offset))
    layout.header_table = segment.address + (table - segment.offset);
}

}  // namespace

Result<ElfHeader> check_elf_header(std::span<const std::byte> head) {
  ElfHeader header;
  if (head.size() < sizeof(header)) return Error(Errno::NoExec);
  std::memcpy(&header, head.data(), sizeof(header));
  const uint8_t* ident = header.ident;
  if (!std::equal(std::begin(kMagic), std::end(kMagic), ident) || ident[4] != kClass64 ||
      ident[5] != kLittleEndian || ident[6] != kCurrentVersion)
    return Error(Errno::NoExec);
  if (header.machine != kX86_64 || (header.type != kFixed && header.type != kPositionIndependent))
    return Error(Errno::NoExec);
  if (header.program_header_size != sizeof(ElfProgramHeader) || header.program_header_count == 0 ||
      header.program_header_count > kMaxProgramHeaders)
    return Error(Errno::NoExec);
  if (header.program_header_offset >
      static_cast<uint64_t>(INT64_MAX) - kMaxProgramHeaders * sizeof(ElfProgramHeader))
    return Error(Errno::NoExec);
  return header;
}

Result<ElfLayout> check_elf_layout(const ElfHeader& header, std::span<const ElfProgramHeader> segments) {
  ElfLayout layout;
  layout.position_independent = header.type == kPositionIndependent;
  layout.entry = header.entry;
  layout.alignment = kPageSize;
  for (const ElfProgramHeader& segment : segments) {
    switch (segment.type) {
      case ElfProgramHeader::kLoad:
        if (segment.memory_size == 0) break;
        TRY(check_segment(segment));
        add_segment(layout, header, segment);
        break;
      case ElfProgramHeader::kInterpreter:
        if (layout.interpreter_size != 0) break;  // the first one counts
        if (segment.file_size < 2 || segment.file_size > kLongestPath) return Error(Errno::NoExec);
        if (segment.offset > static_cast<uint64_t>(INT64_MAX) - kLongestPath) return Error(Errno::NoExec);
        layout.interpreter_offset = segment.offset;
        layout.interpreter_size = segment.file_size;
        break;
      case ElfProgramHeader::kWxNeeded:
        layout.wx_needed = true;
        break;
      case ElfProgramHeader::kSystemCalls:
        if (segment.file_size % sizeof(PinRecord) != 0 || segment.file_size > kLargestPins) return Error(Errno::NoExec);
        if (segment.offset > static_cast<uint64_t>(INT64_MAX) - kLargestPins) return Error(Errno::NoExec);
        layout.pins_offset = segment.offset;
        layout.pins_size = segment.file_size;
        break;
      default:
        break;
    }
  }
  if (layout.end == 0) return Error(Errno::NoExec);
  // A fixed program must not start where nothing may be mapped; its entry must at least be an address of a
  // program.
  if (!layout.position_independent && layout.start < machine::kUserStart) return Error(Errno::Inval);
  if (layout.entry >= machine::kUserEnd) return Error(Errno::Inval);
  return layout;
}

}  // namespace tine::process
