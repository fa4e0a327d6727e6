// SPDX-License-Identifier: BSD-2-Clause
// The end of threads and processes, and waiting for it. Source: exit(2), wait(2). Seed rows K1, R7, R9, R13, L4.
#pragma once

#include "base/result.h"
#include "process/ids.h"
#include "process/signal.h"
#include "process/usage.h"

namespace tine::process {

class Process;
class Thread;

inline constexpr int exit_code_status(int code) { return (code & 0xff) << 8; }
inline constexpr int signal_status(int signal, bool core) { return signal | (core ? 0x80 : 0); }

// Ends the running thread; the last one ends the process with `status` (as wait4 encodes it).
[[noreturn]] void exit_thread(Thread& thread, int status);
// Ends the whole process of the running thread: all other threads are told to end first.
[[noreturn]] void exit_process(Thread& thread, int status);
// Marks `process` as ending with `status` and wakes all its threads so that they end (fatal signals). (P) not held.
void begin_exit(Process& process, int status);

// Ends or stops all other threads of the caller's process, for exec: when it returns the caller is the only one.
// Again if another thread is doing the same.
Result<> become_single_threaded(Thread& caller);

enum class WaitFor : uint8_t { Any, Pid, Group, PidFd };
struct WaitRequest {
  WaitFor what = WaitFor::Any;
  PidNumber id = 0;
  Process* process = nullptr;    // for PidFd
  uint32_t options = 0;          // WNOHANG 1, WSTOPPED 2, WEXITED 4, WCONTINUED 8, WNOWAIT 0x01000000, __WNOTHREAD 0x20000000, __WALL 0x40000000, __WCLONE 0x80000000
};
struct WaitResult {
  PidNumber pid = 0;             // 0: nothing yet (WNOHANG)
  uint32_t uid = 0;
  int status = 0;                // wait4's encoding
  int code = 0;                  // CLD_*
  Usage own_usage, children_usage;   // its own, and that of its children that were waited for
  Usage usage() const;               // both
};
// Errors: Child, RestartSys, Inval.
Result<WaitResult> wait_for_child(Thread& caller, const WaitRequest& request);

}  // namespace tine::process
