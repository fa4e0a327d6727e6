// SPDX-License-Identifier: BSD-2-Clause
// accton: switches accounting on, into a file that is made if need be, or off. Source: accton(8).
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int count, char** arguments) {
  const char* file = count > 1 ? arguments[1] : nullptr;
  if (count > 2 || (file != nullptr && file[0] == '-')) {
    const bool asked = strcmp(file, "--help") == 0;
    fputs("usage: accton [FILE]\n\nRecords each process that ends in FILE, which lastcomm prints; without FILE, no longer.\n",
          asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  if (file != nullptr) close(open(file, O_CREAT | O_WRONLY, 0644));
  if (acct(file) == 0) return 0;
  fprintf(stderr, "accton: %s: %s\n", file != nullptr ? file : "cannot end", strerror(errno));
  return 1;
}
