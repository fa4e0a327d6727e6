// SPDX-License-Identifier: BSD-2-Clause
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "session.h"

namespace init {

static constexpr char kLine[] = "/dev/ttyS0";
static constexpr char kConsole[] = "/dev/console";  // when there is no such line

static char* login_shell[] = {const_cast<char*>("/bin/bash"), const_cast<char*>("-l"), nullptr};

static void set_up_terminal(int terminal, const Request& request) {
  struct termios modes;
  if (tcgetattr(terminal, &modes) == 0) {
    modes.c_iflag = ICRNL | IXON | IUTF8;
    modes.c_oflag = OPOST | ONLCR;
    modes.c_lflag = ISIG | ICANON | ECHO | ECHOE | ECHOK | ECHOCTL | ECHOKE | IEXTEN;
    cfsetspeed(&modes, B115200);
    tcsetattr(terminal, TCSANOW, &modes);
  }
  if (request.rows && request.columns) {
    struct winsize size = {request.rows, request.columns, 0, 0};
    ioctl(terminal, TIOCSWINSZ, &size);
  }
}

int run_on_terminal(const Request& request) {
  const pid_t child = fork();
  if (child < 0) {
    perror("init: fork");
    return 1;
  }
  if (child == 0) {
    setsid();
    int terminal = open(kLine, O_RDWR | O_NOCTTY);
    if (terminal < 0) terminal = open(kConsole, O_RDWR | O_NOCTTY);
    if (terminal >= 0) {
      set_up_terminal(terminal, request);
      ioctl(terminal, TIOCSCTTY, 0);
      for (int standard = 0; standard < 3; standard++) dup2(terminal, standard);
      if (terminal > 2) close(terminal);
    }
    setenv("TERM", request.term, 1);
    exec_or_explain(request.command ? request.command : login_shell);
  }
  int status = 0;
  while (!reap(child, 0, &status)) {
  }
  return status;
}

void exec_or_explain(char** command) {
  execvp(command[0], command);
  const int error = errno;
  fprintf(stderr, "init: cannot run %s: %s\n", command[0], strerror(error));
  _exit(error == ENOENT ? 127 : 126);
}

bool reap(int main_child, int wait_flags, int* status) {
  int how = 0;
  pid_t ended;
  bool found = false;
  while ((ended = waitpid(-1, &how, wait_flags)) > 0 || (ended < 0 && errno == EINTR)) {
    if (ended != main_child) continue;
    *status = WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
    found = true;
    wait_flags |= WNOHANG;
  }
  if (ended < 0 && !found) {
    // The main child cannot be lost without a wait that told of it.
    perror("init: waitpid");
    *status = 1;
    return true;
  }
  return found;
}

}  // namespace init
