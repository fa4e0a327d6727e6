// SPDX-License-Identifier: BSD-2-Clause
// lastcomm FILE: prints the records of an acct(2) file, the last first: command, flags, user, times, when it began.
// F: forked and never called exec; S: as super-user; D: dumped core; X: killed by a signal. Source: lastcomm(1).
#include <stdint.h>
#include <stdio.h>
#include <time.h>

namespace {

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

double expand(uint16_t compressed) {
  double value = compressed & 0x1fff;
  for (unsigned exponent = compressed >> 13; exponent != 0; exponent--) value *= 8;
  return value;
}

void print(const Record& record) {
  char flags[5], begin[32];
  size_t used = 0;
  if (record.flag & 0x01) flags[used++] = 'F';
  if (record.flag & 0x02) flags[used++] = 'S';
  if (record.flag & 0x08) flags[used++] = 'D';
  if (record.flag & 0x10) flags[used++] = 'X';
  flags[used] = '\0';
  const time_t when = record.begin;
  strftime(begin, sizeof begin, "%a %b %e %H:%M:%S", gmtime(&when));
  printf("%-16.16s %-4s uid %u pid %u ppid %u %.2f secs, elapsed %.2f, %s\n", record.command, flags, record.uid, record.pid,
         record.parent, (expand(record.user_time) + expand(record.system_time)) / 100, record.elapsed / 100.0, begin);
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) {
    fprintf(stderr, "usage: %s FILE\n", arguments[0]);
    return 2;
  }
  FILE* file = fopen(arguments[1], "rb");
  if (file == nullptr || fseek(file, 0, SEEK_END) != 0) {
    perror(arguments[1]);
    return 1;
  }
  for (long left = ftell(file) / static_cast<long>(sizeof(Record)); left-- > 0;) {
    Record record;
    if (fseek(file, left * static_cast<long>(sizeof record), SEEK_SET) != 0 || fread(&record, sizeof record, 1, file) != 1)
      return 1;
    print(record);
  }
  return 0;
}
