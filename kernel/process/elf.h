// SPDX-License-Identifier: BSD-2-Clause
// ELF program files: what their headers say, checked. Pure functions of bytes that anybody may have written;
// they compile on the host, where mutated headers are tried on them. After a successful check, no sum of an
// address or offset with a size overflows, every segment lies below the end of user memory, and the kernel
// can map by the numbers alone. Source: the System V gABI (chapters 4 and 5), the x86-64 psABI, execve(2).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/result.h"

namespace tine::process {

struct ElfHeader {  // Elf64_Ehdr
  uint8_t ident[16];
  uint16_t type, machine;
  uint32_t version;
  uint64_t entry, program_header_offset, section_header_offset;
  uint32_t flags;
  uint16_t header_size, program_header_size, program_header_count, section_header_size, section_header_count,
      section_names;
};
static_assert(sizeof(ElfHeader) == 64);

struct ElfProgramHeader {  // Elf64_Phdr
  static constexpr uint32_t kLoad = 1, kDynamic = 2, kInterpreter = 3, kHeaderTable = 6, kStack = 0x6474e551,
                            kWxNeeded = 0x65a3dbe7, kSystemCalls = 0x65a3dbe9;  // PT_OPENBSD_*
  static constexpr uint32_t kMayExecute = 1, kMayWrite = 2, kMayRead = 4;
  uint32_t type, flags;
  uint64_t offset, address, physical_address, file_size, memory_size, alignment;
};
static_assert(sizeof(ElfProgramHeader) == 56);

// An entry of the segment kSystemCalls: the call is made at `offset` from the start of the program in memory.
struct PinRecord {
  uint32_t offset, number;
};

inline constexpr unsigned kMaxProgramHeaders = 128;

// Is this the header of a program that this machine runs? NoExec if not. `head`: the beginning of the file.
Result<ElfHeader> check_elf_header(std::span<const std::byte> head);

// What the program headers say together.
struct ElfLayout {
  uint64_t start = 0, end = 0;      // page-aligned range of all segments, as linked
  uint64_t alignment = 0;           // of `start`, for a position-independent program; at least a page
  uint64_t entry = 0;               // as linked
  uint64_t header_table = 0;        // where the program headers are in memory, as linked; 0: not loaded
  uint64_t interpreter_offset = 0;  // in the file; size 0: there is none
  uint64_t interpreter_size = 0;    // with the terminating 0
  uint64_t pins_offset = 0;         // in the file: where system calls are made (PinRecord); size 0: does not say
  uint64_t pins_size = 0;
  bool wx_needed = false;           // asks for memory that can be written and run
  bool position_independent = false;

  uint64_t size() const { return end - start; }
};

// NoExec for what is no program; Inval for segments that cannot be.
Result<ElfLayout> check_elf_layout(const ElfHeader& header, std::span<const ElfProgramHeader> segments);

}  // namespace tine::process
