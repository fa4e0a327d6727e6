// SPDX-License-Identifier: BSD-2-Clause
#include "setting.h"

#include <fcntl.h>

namespace check {

const char* setting_path(const char* name) {
  static char path[96];
  snprintf(path, sizeof path, "/proc/sys%s%s", name[0] == '/' ? "" : "/kern/", name);
  return path;
}

long long setting(const char* name) { return atoll(read_text(setting_path(name))); }

long long settled(const char* name) {
  long long value = setting(name);
  for (int same = 0; same < 5; same++) {
    sleep_ms(5);
    const long long next = setting(name);
    if (next != value) same = 0;
    value = next;
  }
  return value;
}

bool try_set(const char* name, const char* value) {
  const int file = open(setting_path(name), O_WRONLY | O_CLOEXEC);
  if (file < 0) return false;
  const ssize_t size = static_cast<ssize_t>(strlen(value));
  const bool stored = write(file, value, static_cast<size_t>(size)) == size;
  const int error = errno;
  close(file);
  errno = error;
  return stored;
}

ChangedSetting::ChangedSetting(const char* name, const char* value) : name_(name) {
  snprintf(before_, sizeof before_, "%s", read_text(setting_path(name)));
  if (!try_set(name, value)) fail(__FILE__, __LINE__, "%s=%s: %s", name, value, strerror(errno));
}

static const char* text_of(long long value) {
  static char text[24];
  snprintf(text, sizeof text, "%lld", value);
  return text;
}
ChangedSetting::ChangedSetting(const char* name, long long value) : ChangedSetting(name, text_of(value)) {}

ChangedSetting::~ChangedSetting() {
  if (!try_set(name_, before_)) fail(__FILE__, __LINE__, "%s=%s: %s", name_, before_, strerror(errno));
}

}  // namespace check
