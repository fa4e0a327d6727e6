// SPDX-License-Identifier: BSD-2-Clause
// Maps an ELF program, and the dynamic linker that it asks for, into a new address space, whose layout it chooses. Nothing of the
// running program is touched; whatever fails, the address space is just dropped. Segments are mapped, not
// read: pages come in by faults. Source: the gABI, chapter 5; execve(2).
#pragma once

#include <string_view>

#include "file/file.h"
#include "mem/buffer.h"
#include "process/elf.h"
#include "process/pins.h"
#include "vm/address_space.h"

namespace tine::process {

class Process;

struct LoadedProgram {
  uintptr_t start = 0;  // the first instruction: the dynamic linker's, if there is one
  // For the auxiliary vector.
  uintptr_t entry = 0;  // the program's own
  uintptr_t header_table = 0;
  unsigned header_count = 0;
  Ref<file::File> interpreter;     // null: there is none
  uintptr_t interpreter_base = 0;  // how far it was moved; 0: there is none
  bool wx_needed = false;    // says its file: its process is marked, which changes nothing else
  Ref<const PinTable> pins;  // the dynamic linker's, or a static program's; null: its file has none
};

// The beginning of a file: most programs' headers, or a script's first line. The stack has no room for it.
class ProgramHead {
 public:
  static constexpr size_t kMost = sizeof(ElfHeader) + 17 * sizeof(ElfProgramHeader);

  static Result<ProgramHead> read(file::File& program);
  std::span<const std::byte> bytes() const { return buffer_.span().first(size_); }
  std::string_view text() const { return {reinterpret_cast<const char*>(buffer_.data()), size_}; }

 private:
  mem::Buffer<std::byte> buffer_;
  size_t size_ = 0;   // less than there is room for: the file is short
};

// `head`: the beginning of the file. Errors: NoExec for what is no ELF program of this machine; Inval, NoMem,
// Io; what opening the interpreter says.
Result<LoadedProgram> load_elf(const Process& process, vm::AddressSpace& space, file::File& program,
                               std::span<const std::byte> head);

// Up to into.size() bytes at `offset`, fewer only at the end of the file.
Result<size_t> read_program(file::File& program, uint64_t offset, std::span<std::byte> into);

}  // namespace tine::process
