// SPDX-License-Identifier: BSD-2-Clause
// kdump: prints the records of a ktrace(2) file, one or a few lines each. A static program: it runs in the guest and on the
// host. Source: kdump(1) of OpenBSD.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ktrace.h>
#include <unistd.h>

#include "ktrace/points.h"
#include "records.h"

namespace {

constexpr size_t kLargestRecord = 1 << 22;   // beyond: not a trace file

enum class Times : unsigned char { None, Absolute, Relative };

struct Options {
  const char* file = "ktrace.out";
  kdump::Style style;
  Times times = Times::None;
  bool thread_ids = false;
  pid_t pid = 0;          // 0: all
  unsigned types = ~0u;   // bit n for type n
};

int help(FILE* to) {
  fputs(
      "usage: kdump [-HnRTXx] [-f FILE] [-m BYTES] [-p PID] [-t POINTS] [FILE]\n"
      "\n"
      "Prints what ktrace recorded in FILE (ktrace.out).\n"
      "  -H  thread ids too                      -p  only this process\n"
      "  -R  time since the record before        -T  time since 1970\n"
      "  -m  at most so many bytes of I/O        -x  I/O in hexadecimal, -X  and as text beside it\n"
      "  -n  numbers instead of names            -t  c calls, e exec arguments, i I/O, n names, s signals,\n"
      "                                              t structures, u user data, + all (the default)\n",
      to);
  return to == stdout ? 0 : 2;
}

void print_time(const Options& options, const timespec& time, timespec& before) {
  if (options.times == Times::None) return;
  timespec shown = time;
  if (options.times == Times::Relative) {
    if (before.tv_sec == 0) before = time;
    shown = {time.tv_sec - before.tv_sec, time.tv_nsec - before.tv_nsec};
    if (shown.tv_nsec < 0) {
      shown.tv_sec--;
      shown.tv_nsec += 1'000'000'000;
    }
    before = time;
  }
  printf("%lld.%06ld ", static_cast<long long>(shown.tv_sec), shown.tv_nsec / 1000);
}

bool print_all(FILE* file, const Options& options) {
  ktr_header header;
  size_t room = 0;
  unsigned char* contents = nullptr;
  timespec before = {};
  while (fread(&header, sizeof header, 1, file) == 1) {
    if (header.ktr_len > room) {
      if (header.ktr_len > kLargestRecord) return false;
      room = header.ktr_len;
      contents = static_cast<unsigned char*>(realloc(contents, room));
      if (contents == nullptr) return false;
    }
    if (header.ktr_len != 0 && fread(contents, header.ktr_len, 1, file) != 1) return false;
    if (options.pid != 0 && header.ktr_pid != options.pid) continue;
    if (options.types != ~0u && (header.ktr_type >= 32 || !(options.types >> header.ktr_type & 1))) continue;
    printf("%6d", header.ktr_pid);
    if (options.thread_ids) printf("/%-7d", header.ktr_tid);
    printf(" %-15.24s ", header.ktr_comm);
    print_time(options, header.ktr_time, before);
    printf("%s  ", kdump::type_name(header.ktr_type));
    kdump::print_record(header, contents, options.style);
  }
  free(contents);
  return feof(file) != 0;
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  if (count > 1 && strcmp(arguments[1], "--help") == 0) return help(stdout);
  for (int option; (option = getopt(count, arguments, "f:Hm:nRTXxp:t:")) != -1;) {
    switch (option) {
      case 'f': options.file = optarg; break;
      case 'H': options.thread_ids = true; break;
      case 'm': options.style.most_io = strtoul(optarg, nullptr, 10); break;
      case 'n': options.style.plain = true; break;
      case 'R': options.times = Times::Relative; break;
      case 'T': options.times = Times::Absolute; break;
      case 'X': options.style.io = kdump::IoStyle::HexadecimalAndText; break;
      case 'x': options.style.io = kdump::IoStyle::Hexadecimal; break;
      case 'p': options.pid = atoi(optarg); break;
      case 't':
        options.types = ktrace_points::parse(optarg, ~0u);
        if (options.types == 0) return help(stderr);
        break;
      default: return help(stderr);
    }
  }
  if (optind + 1 < count) return help(stderr);
  if (optind < count) options.file = arguments[optind];
  FILE* file = fopen(options.file, "rb");
  if (file == nullptr) {
    fprintf(stderr, "kdump: %s: %s\n", options.file, strerror(errno));
    return 1;
  }
  const bool whole = print_all(file, options);
  if (!whole) fprintf(stderr, "kdump: %s: not a trace file, or cut off\n", options.file);
  return whole ? 0 : 1;
}
