// SPDX-License-Identifier: BSD-2-Clause
// What /proc/PID/stat and /proc/PID/status both tell: the state of a process and its place among the others.
#pragma once

#include "process/process.h"

namespace tine::view {

// From one look under tree_lock.
struct Place {
  process::PidNumber parent = 0, group = 0, session = 0;
  uint32_t terminal = 0;                    // device number; 0: none
  process::PidNumber foreground = -1;       // of the terminal; -1: no terminal
  int exit_signal = 0;
  int exit_status = 0;                      // once a zombie
  process::Usage children;
};
Place place_of(const process::Process& process);

struct State {
  char letter;
  const char* name;
};
// Of a process's thread; null: the process has none left.
State state_of(const process::Process& process, const process::Thread* thread);

}  // namespace tine::view
