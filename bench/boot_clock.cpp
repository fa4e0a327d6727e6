// SPDX-License-Identifier: BSD-2-Clause
// The first program of a benchmark's machine: notes the time-stamp counter, which began with the machine's first
// instruction, and becomes /init. `bench boot` reads the note.
#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>
#include <x86intrin.h>

#include "boot_clock.h"

int main(int, char** arguments) {
  const uint64_t stamp = __rdtsc();
  const int note = open(bench::kBootNote, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  (void)!write(note, &stamp, sizeof stamp);
  close(note);
  static char init[] = "/init";
  arguments[0] = init;
  execv(init, arguments);
  return 1;
}
