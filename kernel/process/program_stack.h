// SPDX-License-Identifier: BSD-2-Clause
// The stack that a program finds when it starts: argc, argv, the environment and the auxiliary vector, above
// them the strings. Source: the x86-64 psABI, 3.4.1; getauxval(3).
#pragma once

#include "base/result.h"
#include "identity/credentials.h"
#include "process/elf_loader.h"
#include "process/process.h"
#include "process/program_arguments.h"

namespace tine::process {

struct InitialStack {
  const ProgramArguments& arguments;
  const LoadedProgram& program;
  const identity::Credentials& credentials;
  bool secure = false;    // AT_SECURE
  std::string_view name;  // AT_EXECFN
};

// Where make_stack has put what.
struct ProgramStack {
  uintptr_t pointer = 0;
  StackPart environment, auxiliary;
};

// Maps the stack and writes it, in one piece. Errors: NoMem, TooBig.
Result<ProgramStack> make_stack(vm::AddressSpace& space, const InitialStack& contents);

}  // namespace tine::process
