// SPDX-License-Identifier: BSD-2-Clause
// The kernel command line: Linux's words where Linux has them. What comes after "--" and unknown words go to init:
// NAME=VALUE to its environment, other words to its arguments; names with a dot are parameters of modules, and go nowhere.
// Source: bootparam(7).
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

namespace tine::boot {

struct Options {
  std::string_view init;                // init=PATH; empty: /init
  unsigned max_cpus = ~0u;              // maxcpus=N, nosmp
  int pid_max = 99999;                  // kern.pid_max=N: 300 to 4194304
  unsigned max_processes = 0;           // kern.maxproc=N, kern.maxthread=N; 0: from the size of memory
  unsigned max_threads = 0;
  bool jitter = false;                  // sched.jitter: a debug kernel schedules by chance
  // kern.latency_limit_interrupts=, _spinlock=, _mutex=, _kernel=NS: a debug kernel's watchdog (machine/latency.h)
  unsigned trace_events = 0;            // kern.trace_events=N: how many /proc/tine/trace keeps, 64 to 32768; 0: off
  std::span<const std::string_view> init_arguments;
  std::span<const std::string_view> init_environment;
};

// Splits `line`, which stays where it is; words may be quoted with ". Sets the console's log level for "quiet" and
// "loglevel=N" at once.
void parse_command_line(std::string_view line);
const Options& options();

}  // namespace tine::boot
