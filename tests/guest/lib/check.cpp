// SPDX-License-Identifier: BSD-2-Clause
#include "check.h"

#include <fcntl.h>
#include <stdarg.h>

namespace check {

static Case* first_case;
static Case** end_of_cases = &first_case;

Case::Case(const char* name, void (*body)()) : name(name), body(body) {
  *end_of_cases = this;
  end_of_cases = &next;
}

void fail(const char* file, int line, const char* format, ...) {
  char message[512];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  dprintf(STDERR_FILENO, "%s:%d: %s\n", file, line, message);
  _exit(1);
}

void skip(const char* reason) {
  dprintf(STDERR_FILENO, "%s\n", reason);
  _exit(kSkipped);
}

int wait_for(pid_t child) {
  int how = 0;
  while (waitpid(child, &how, 0) < 0) {
    if (errno != EINTR) fail(__FILE__, __LINE__, "waitpid(%d): %s", child, strerror(errno));
  }
  return WIFSIGNALED(how) ? 128 + WTERMSIG(how) : WEXITSTATUS(how);
}

void sleep_ms(long milliseconds) {
  timespec left = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) {
  }
}

int64_t now_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1'000'000'000ll + now.tv_nsec;
}

Gate::Gate() {
  if (pipe(ends_) != 0) fail(__FILE__, __LINE__, "pipe: %s", strerror(errno));
}

void Gate::open() {
  if (write(ends_[1], "", 1) != 1) fail(__FILE__, __LINE__, "gate: %s", strerror(errno));
}

void Gate::wait() {
  char byte;
  ssize_t got;
  while ((got = read(ends_[0], &byte, 1)) < 0 && errno == EINTR) {
  }
  if (got != 1) fail(__FILE__, __LINE__, "gate: %s", got == 0 ? "nobody can open it" : strerror(errno));
}

const char* read_text(const char* path) {
  static char text[16384];
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) fail(__FILE__, __LINE__, "%s: %s", path, strerror(errno));
  size_t have = 0;
  ssize_t got;
  while (have < sizeof text - 1 && (got = read(file, text + have, sizeof text - 1 - have)) > 0) {
    have += static_cast<size_t>(got);
  }
  close(file);
  text[have] = '\0';
  return text;
}

}  // namespace check

// `PROGRAM --list` names the cases, `PROGRAM CASE` runs one.
int main(int count, char** arguments) {
  if (count == 2 && strcmp(arguments[1], "--list") == 0) {
    for (const Case* each = first_case; each; each = each->next) puts(each->name);
    return 0;
  }
  for (const Case* each = first_case; count == 2 && each; each = each->next) {
    if (strcmp(arguments[1], each->name) != 0) continue;
    each->body();
    return 0;
  }
  fprintf(stderr, "usage: %s --list | CASE\n", arguments[0]);
  return 2;
}
