// SPDX-License-Identifier: BSD-2-Clause
// The pump between the console's line and a command's pipes. The line has no end of file and no flow control: the host
// sends DLE E for the end and DLE DLE for a DLE, and what the command does not read yet waits in memory here.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "machine.h"
#include "session.h"

namespace init {
namespace {

constexpr char kEscape = 0x10;  // DLE
constexpr char kEnd = 'E';

int child_ended[2];  // a pipe that SIGCHLD writes to, so that poll wakes

void on_child(int) {
  const int error = errno;
  const char byte = 0;
  (void)!write(child_ended[1], &byte, 1);
  errno = error;
}

void write_all(int file, const char* from, size_t size) {
  while (size > 0) {
    const ssize_t written = write(file, from, size);
    if (written < 0 && errno != EINTR) return;
    if (written <= 0) continue;
    from += written;
    size -= static_cast<size_t>(written);
  }
}

// Bytes on their way to the command's standard input.
class Input {
 public:
  void open(int pipe) { pipe_ = pipe; }
  int pipe() const { return pipe_; }
  bool has_data() const { return start_ < end_; }

  // Takes encoded bytes from the line.
  void add(const char* from, size_t size) {
    if (pipe_ < 0) return;
    if (!make_room(size)) return;
    for (size_t i = 0; i < size; i++) {
      if (escaped_) {
        escaped_ = false;
        if (from[i] == kEnd) {
          ended_ = true;
          break;
        }
        data_[end_++] = from[i];
      } else if (from[i] == kEscape) {
        escaped_ = true;
      } else {
        data_[end_++] = from[i];
      }
    }
    close_when_done();
  }

  // Hands on what the pipe takes without blocking.
  void flush() {
    const ssize_t written = write(pipe_, data_ + start_, end_ - start_);
    if (written > 0) start_ += static_cast<size_t>(written);
    if (written < 0 && errno != EAGAIN && errno != EINTR) {  // nobody reads any more
      start_ = end_;
      ended_ = true;
    }
    close_when_done();
  }

 private:
  bool make_room(size_t size) {
    if (start_ > 0) {
      memmove(data_, data_ + start_, end_ - start_);
      end_ -= start_;
      start_ = 0;
    }
    if (end_ + size <= capacity_) return true;
    const size_t wanted = (end_ + size) * 2;
    auto* grown = static_cast<char*>(realloc(data_, wanted));
    if (!grown) {
      fprintf(stderr, "init: no memory for standard input\n");
      return false;
    }
    data_ = grown;
    capacity_ = wanted;
    return true;
  }

  void close_when_done() {
    if (!ended_ || has_data() || pipe_ < 0) return;
    close(pipe_);
    pipe_ = -1;
  }

  int pipe_ = -1;
  char* data_ = nullptr;
  size_t start_ = 0, end_ = 0, capacity_ = 0;
  bool escaped_ = false, ended_ = false;
};

int open_line() {
  const int line = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (line < 0) return open("/dev/console", O_RDWR | O_NOCTTY | O_CLOEXEC);
  struct termios modes;
  if (tcgetattr(line, &modes) == 0) {
    cfmakeraw(&modes);
    cfsetspeed(&modes, B115200);
    tcsetattr(line, TCSANOW, &modes);
  }
  return line;
}

[[noreturn]] void become_command(const Request& request, int input, int output) {
  setsid();
  signal(SIGPIPE, SIG_DFL);
  dup2(input, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  exec_or_explain(request.command);
}

// Moves what is in the pipe to the line. False once every writer has closed it.
bool copy_output(int from, int line) {
  static char buffer[16384];
  const ssize_t got = read(from, buffer, sizeof buffer);
  if (got > 0) write_all(line, buffer, static_cast<size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

void drain_output(int from, int line) {
  static char buffer[16384];
  for (;;) {
    const ssize_t got = read(from, buffer, sizeof buffer);
    if (got <= 0) return;
    write_all(line, buffer, static_cast<size_t>(got));
  }
}

// Until `child` ends: its status.
int pump(int line, Input& input, int output, int child) {
  static char buffer[4096];
  int status = 0;
  for (;;) {
    // A negative descriptor is one that poll leaves out.
    struct pollfd watched[] = {{child_ended[0], POLLIN, 0},
                               {output, POLLIN, 0},
                               {input.pipe() >= 0 ? line : -1, POLLIN, 0},
                               {input.has_data() ? input.pipe() : -1, POLLOUT, 0}};
    if (poll(watched, sizeof watched / sizeof *watched, -1) < 0) continue;
    if (watched[1].revents && !copy_output(output, line)) output = -1;
    if (watched[2].revents) {
      const ssize_t got = read(line, buffer, sizeof buffer);
      if (got > 0) input.add(buffer, static_cast<size_t>(got));
    }
    if (watched[3].revents) input.flush();
    if (watched[0].revents) {
      (void)!read(child_ended[0], buffer, sizeof buffer);
      if (reap(child, WNOHANG, &status)) break;
    }
  }
  if (output >= 0) drain_output(output, line);
  return status;
}

}  // namespace

int run_command(const Request& request) {
  const int line = open_line();
  int to_child[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC), -1}, from_child[2];
  if ((request.input_streams && pipe2(to_child, O_CLOEXEC) != 0) || pipe2(from_child, O_CLOEXEC) != 0 ||
      pipe2(child_ended, O_CLOEXEC | O_NONBLOCK) != 0) {
    perror("init: pipe");
    return 1;
  }
  signal(SIGPIPE, SIG_IGN);
  struct sigaction action = {};
  action.sa_handler = on_child;
  action.sa_flags = SA_RESTART | SA_NOCLDSTOP;
  sigaction(SIGCHLD, &action, nullptr);

  const pid_t child = fork();
  if (child < 0) {
    perror("init: fork");
    return 1;
  }
  if (child == 0) become_command(request, to_child[0], from_child[1]);
  close(to_child[0]);
  close(from_child[1]);
  fcntl(from_child[0], F_SETFL, O_NONBLOCK);
  Input input;
  if (request.input_streams) {
    fcntl(to_child[1], F_SETFL, O_NONBLOCK);
    input.open(to_child[1]);
    tell_host("tine-ready");
  }
  const int status = pump(line, input, from_child[0], child);
  tcdrain(line);
  return status;
}

}  // namespace init
