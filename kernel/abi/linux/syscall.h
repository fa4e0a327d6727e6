// SPDX-License-Identifier: BSD-2-Clause
// The Linux personality: system calls by number. A handler decodes its arguments, calls down, encodes the result.
// Each file of this folder handles one group of calls; table.cpp lists them all. Source: the Linux manual, section 2.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "process/process.h"
#include "process/thread.h"
#include "vm/user_ptr.h"

namespace tine::abi::linux_abi {

// What a handler gets: the calling thread and its six arguments.
struct Call {
  process::Thread& thread;
  uint64_t args[6];

  process::Process& process() const { return thread.process(); }
  int as_int(unsigned i) const { return static_cast<int>(args[i]); }
  unsigned as_unsigned(unsigned i) const { return static_cast<unsigned>(args[i]); }
  template <class T>
  vm::UserPtr<T> pointer(unsigned i) const { return vm::UserPtr<T>(args[i]); }
};

// The value goes to rax; an error as -errno. RestartSys and its like are resolved at the return to user mode.
using CallResult = Result<uint64_t>;
using Handler = CallResult (*)(const Call&);

// Each group file defines its handlers, named sys_<call>, and declares them in its own header <group>.h
// (memory.h, file.h, process.h, signal.h, time.h, event.h, socket.h, identity.h, system.h); table.cpp includes those.

}  // namespace tine::abi::linux_abi
