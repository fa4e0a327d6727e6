// SPDX-License-Identifier: BSD-2-Clause
// Tracepoints as /proc/tine/trace prints them (kernel/trace/tracepoint.h), read back.
#pragma once

#include <stdint.h>
#include <stdio.h>

namespace trace {

enum class Kind : uint8_t { Fork, Thread, Start, Exec, Exit, ThreadEnd };

struct Event {
  uint64_t time = 0;   // ns
  Kind kind = Kind::Fork;
  int pid = 0, tid = 0, child = 0, cpu = 0, status = 0;
  char how[8] = "";
  char name[64] = "";  // blanks and the like as octal escapes
};

struct Events {
  Event* all = nullptr;
  size_t count = 0;
  uint64_t dropped = 0;   // older ones, for which the ring had no room
  uint64_t end = 0;       // when it was read
  unsigned cpus = 0;
};

// False: there is no memory, or no trace in the file. Lines of others in between are passed over.
bool read_events(FILE* from, Events& events);

}  // namespace trace
