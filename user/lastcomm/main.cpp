// SPDX-License-Identifier: BSD-2-Clause
// lastcomm: prints the records of an acct(2) file, the last first: command, flags, user, terminal, CPU time, when it began
// and how long it lived. Source: lastcomm(1).
#include <errno.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

namespace {

constexpr char kDefaultFile[] = "/var/account/acct";

// struct acct_v3.
struct Record {
  uint8_t flag, version;
  uint16_t tty;
  uint32_t exit_code, uid, gid, pid, parent, begin;
  float elapsed;   // ticks of 1/100 s, as are the next two
  uint16_t user_time, system_time, memory, characters, blocks, minor_faults, major_faults, swaps;
  char command[16];
};
static_assert(sizeof(Record) == 64);

int help(FILE* to) {
  fprintf(to,
          "usage: lastcomm [-f FILE] [NAME...]\n"
          "\n"
          "Prints what processes have ended, the last first, of FILE (%s): those whose command, user or\n"
          "terminal is one of the names, or all. accton switches the recording on.\n"
          "Flags: F forked and never called exec, S as super-user, D dumped core, X killed by a signal.\n",
          kDefaultFile);
  return to == stdout ? 0 : 2;
}

// comp_t: a 13-bit fraction and a 3-bit exponent of 8.
double expand(uint16_t compressed) {
  double value = compressed & 0x1fff;
  for (unsigned exponent = compressed >> 13; exponent != 0; exponent--) value *= 8;
  return value;
}

struct Line {
  char command[17], flags[5], user[16], terminal[16];
};

Line describe(const Record& record) {
  Line line = {};
  memcpy(line.command, record.command, sizeof record.command);
  size_t used = 0;
  if (record.flag & 0x01) line.flags[used++] = 'F';
  if (record.flag & 0x02) line.flags[used++] = 'S';
  if (record.flag & 0x08) line.flags[used++] = 'D';
  if (record.flag & 0x10) line.flags[used++] = 'X';
  const passwd* user = getpwuid(record.uid);
  if (user != nullptr) snprintf(line.user, sizeof line.user, "%s", user->pw_name);
  else snprintf(line.user, sizeof line.user, "%u", record.uid);
  const unsigned tty_major = major(record.tty), tty_minor = minor(record.tty);
  if (record.tty == 0) snprintf(line.terminal, sizeof line.terminal, "__");
  else if (tty_major == 136) snprintf(line.terminal, sizeof line.terminal, "pts/%u", tty_minor);
  else if (tty_major == 4 && tty_minor >= 64) snprintf(line.terminal, sizeof line.terminal, "ttyS%u", tty_minor - 64);
  else snprintf(line.terminal, sizeof line.terminal, "%u,%u", tty_major, tty_minor);
  return line;
}

bool is_asked_for(const Line& line, char** names, int count) {
  for (int i = 0; i < count; i++)
    if (strcmp(names[i], line.command) == 0 || strcmp(names[i], line.user) == 0 || strcmp(names[i], line.terminal) == 0)
      return true;
  return count == 0;
}

void print(const Record& record, const Line& line) {
  char begin[32];
  const time_t when = record.begin;
  strftime(begin, sizeof begin, "%a %b %e %H:%M:%S", localtime(&when));
  const double seconds = (expand(record.user_time) + expand(record.system_time)) / 100;
  printf("%-16s %-4s %-8s %-8s %6.2f secs %s (%.2f) pid %u ppid %u\n", line.command, line.flags, line.user, line.terminal,
         seconds, begin, record.elapsed / 100.0, record.pid, record.parent);
}

}  // namespace

int main(int count, char** arguments) {
  const char* path = kDefaultFile;
  if (count > 1 && strcmp(arguments[1], "--help") == 0) return help(stdout);
  for (int option; (option = getopt(count, arguments, "f:")) != -1;) {
    if (option != 'f') return help(stderr);
    path = optarg;
  }
  FILE* file = fopen(path, "rb");
  if (file == nullptr || fseek(file, 0, SEEK_END) != 0) {
    const char* hint = errno == ENOENT ? "; accton FILE begins the recording" : "";
    fprintf(stderr, "lastcomm: %s: %s%s\n", path, strerror(errno), hint);
    return 1;
  }
  for (long left = ftell(file) / static_cast<long>(sizeof(Record)); left-- > 0;) {
    Record record;
    if (fseek(file, left * static_cast<long>(sizeof record), SEEK_SET) != 0 || fread(&record, sizeof record, 1, file) != 1) {
      fprintf(stderr, "lastcomm: %s: cannot be read\n", path);
      return 1;
    }
    const Line line = describe(record);
    if (is_asked_for(line, arguments + optind, count - optind)) print(record, line);
  }
  return 0;
}
