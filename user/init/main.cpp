// SPDX-License-Identifier: BSD-2-Clause
// init, the first process of the guest: sets up what programs expect, runs one program, hands its status to the host
// and ends the machine. It runs unchanged on Tine and on Linux, which is how tests and benchmarks are compared.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "machine.h"
#include "request.h"
#include "session.h"

static void set_environment() {
  clearenv();
  setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
  setenv("HOME", "/root", 1);
  setenv("USER", "root", 1);
  setenv("LOGNAME", "root", 1);
  setenv("SHELL", "/bin/bash", 1);
  setenv("LANG", "C.UTF-8", 1);
}

int main(int, char** arguments) {
  init::mount_file_systems();
  // The kernel opens the first three itself, as Linux does: then there is one too many.
  int file = open("/dev/console", O_RDWR | O_NOCTTY);
  while (file >= 0 && file < STDERR_FILENO) file = dup(file);
  if (file > STDERR_FILENO) close(file);
  set_environment();
  sethostname("tine", 4);
  if (chdir("/root") != 0) (void)!chdir("/");
  const init::Request request = init::read_request(arguments + 1);
  const bool on_pipes = request.mode == init::Request::Mode::Command && request.command;
  init::power_off(on_pipes ? init::run_command(request) : init::run_on_terminal(request));
}
