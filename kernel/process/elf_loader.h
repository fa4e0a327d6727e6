// SPDX-License-Identifier: BSD-2-Clause
// Maps an ELF program, and the dynamic linker that it asks for, into a new address space. Nothing of the
// running program is touched; whatever fails, the address space is just dropped. Segments are mapped, not
// read: pages come in by faults. Source: the gABI, chapter 5; execve(2).
#pragma once

#include "file/file.h"
#include "process/elf.h"
#include "vm/address_space.h"

namespace tine::process {

class Process;

struct LoadedProgram {
  uintptr_t start = 0;  // the first instruction: the dynamic linker's, if there is one
  // For the auxiliary vector.
  uintptr_t entry = 0;  // the program's own
  uintptr_t header_table = 0;
  unsigned header_count = 0;
  uintptr_t interpreter_base = 0;  // how far it was moved; 0: there is none
};

// `head`: the beginning of the file. Errors: NoExec for what is no ELF program of this machine; Inval, NoMem,
// Io; what opening the interpreter says.
Result<LoadedProgram> load_elf(const Process& process, vm::AddressSpace& space, file::File& program,
                               std::span<const std::byte> head);

// Up to into.size() bytes at `offset`, fewer only at the end of the file.
Result<size_t> read_program(file::File& program, uint64_t offset, std::span<std::byte> into);

}  // namespace tine::process
