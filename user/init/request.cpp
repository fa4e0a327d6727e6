// SPDX-License-Identifier: BSD-2-Clause
#include "request.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

namespace init {

static constexpr char kRequestFile[] = "/run/tine/request";

// The whole file, terminated; null when there is none. Lives as long as the process.
static char* read_file(const char* path, size_t* size) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) return nullptr;
  auto* text = static_cast<char*>(malloc(static_cast<size_t>(status.st_size) + 1));
  size_t have = 0;
  while (text && have < static_cast<size_t>(status.st_size)) {
    const ssize_t got = read(file, text + have, static_cast<size_t>(status.st_size) - have);
    if (got <= 0) break;
    have += static_cast<size_t>(got);
  }
  close(file);
  if (text) text[have] = '\0';
  *size = have;
  return text;
}

static void apply_setting(Request& request, char* setting) {
  char* value = strchr(setting, '=');
  if (!value) return;
  *value++ = '\0';
  if (strcmp(setting, "mode") == 0) {
    request.mode = strcmp(value, "command") == 0 ? Request::Mode::Command : Request::Mode::Terminal;
  } else if (strcmp(setting, "input") == 0) {
    request.input_streams = strcmp(value, "stream") == 0;
  } else if (strcmp(setting, "term") == 0) {
    request.term = value;
  } else if (strcmp(setting, "rows") == 0) {
    request.rows = static_cast<unsigned short>(atoi(value));
  } else if (strcmp(setting, "columns") == 0) {
    request.columns = static_cast<unsigned short>(atoi(value));
  }
}

Request read_request(char** kernel_arguments) {
  Request request;
  size_t size = 0;
  char* text = read_file(kRequestFile, &size);
  if (!text) {
    if (kernel_arguments[0]) request.command = kernel_arguments;
    return request;
  }
  char* const end = text + size;
  char* at = text;
  while (at < end && strcmp(at, "--") != 0) {
    char* const next = at + strlen(at) + 1;
    apply_setting(request, at);
    at = next;
  }
  at += strlen("--") + 1;

  size_t count = 0;
  for (char* argument = at; argument < end; argument += strlen(argument) + 1) count++;
  if (count == 0) return request;
  request.command = static_cast<char**>(calloc(count + 1, sizeof(char*)));
  if (!request.command) return request;
  for (size_t i = 0; i < count; i++, at += strlen(at) + 1) request.command[i] = at;
  return request;
}

}  // namespace init
