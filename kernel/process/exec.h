// SPDX-License-Identifier: BSD-2-Clause
// execve(2): replaces the program of a process. All that can fail comes before the old program is given up;
// after that point a failure can only kill the process.
#pragma once

#include <span>
#include <string_view>

#include "base/result.h"
#include "file/file.h"
#include "file/lookup.h"
#include "mem/buffer.h"
#include "process/program_arguments.h"

namespace tine::process {

class Process;
class Thread;

// Finds what `path` names for `process`, from `start`, and opens it to be run. Errors: as open(2); Acces for
// what is no executable regular file.
Result<Ref<file::File>> open_program(const Process& process, const file::Path& start, std::string_view path,
                                     file::LookupFlags flags = file::kFollowLast);

// `name` is what the program was called by (for scripts and AT_EXECFN). On success the trap frame of the
// caller starts the new program. Errors as execve(2): Acces, NoExec, NoEnt, TooBig, NoMem, Loop, ...; when NoMem comes after
// the program was loaded, or Acces because promises were made meanwhile, the process's other threads have ended already.
Result<> exec(Thread& caller, Ref<file::File> program, std::string_view name, ProgramArguments arguments);

}  // namespace tine::process
