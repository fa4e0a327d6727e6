/* SPDX-License-Identifier: BSD-2-Clause
 * Functions of the BSDs' C library that musl does not have and that their small programs use. Source: strtonum(3),
 * getprogname(3), err(3). */
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

extern char *__progname; /* musl's, for warn(3) */

const char *getprogname(void) { return __progname; }

void setprogname(const char *name) {
  const char *slash = strrchr(name, '/');
  __progname = (char *)(slash != NULL ? slash + 1 : name);
}

long long strtonum(const char *text, long long least, long long most, const char **error) {
  const char *problem = NULL;
  const int saved = errno;
  char *end = (char *)text;
  long long number = 0;
  errno = 0;
  if (least <= most) number = strtoll(text, &end, 10);
  if (least > most || end == text || *end != '\0') problem = "invalid";
  else if (number < least || (errno == ERANGE && number < 0)) problem = "too small";
  else if (number > most || errno == ERANGE) problem = "too large";
  if (error != NULL) *error = problem;
  errno = problem == NULL ? saved : *problem == 'i' ? EINVAL : ERANGE;
  return problem == NULL ? number : 0;
}

void vwarnc(int error, const char *format, va_list arguments) {
  const int saved = errno;
  errno = error;
  vwarn(format, arguments);
  errno = saved;
}

void warnc(int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vwarnc(error, format, arguments);
  va_end(arguments);
}

void verrc(int status, int error, const char *format, va_list arguments) {
  vwarnc(error, format, arguments);
  exit(status);
}

void errc(int status, int error, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  verrc(status, error, format, arguments);
}
