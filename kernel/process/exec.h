// SPDX-License-Identifier: BSD-2-Clause
// execve(2): replaces the program of a process. All that can fail comes before the old program is given up; after that
// point a failure can only kill the process.
#pragma once

#include <string_view>

#include "base/result.h"
#include "file/file.h"
#include "mem/buffer.h"

namespace tine::process {

class Thread;

// Argument and environment strings, NUL-terminated one after the other. At most a quarter of RLIMIT_STACK in all
// (TooBig).
struct ProgramArguments {
  mem::Buffer<char> text;        // argv strings, then envp strings
  size_t used = 0;
  unsigned argc = 0;
  unsigned envc = 0;
  size_t argv_bytes = 0;         // of `text`, the argv part
};
Result<ProgramArguments> copy_arguments(uintptr_t user_argv, uintptr_t user_envp);   // from user memory
Result<ProgramArguments> make_arguments(std::span<const std::string_view> argv, std::span<const std::string_view> envp);

// `name` is what the program was called by (for scripts and AT_EXECFN). On success the trap frame of the caller starts
// the new program. Errors as execve(2): Acces, NoExec, NoEnt, TooBig, NoMem, Loop, ...
Result<> exec(Thread& caller, Ref<file::File> program, std::string_view name, ProgramArguments arguments);

}  // namespace tine::process
