// SPDX-License-Identifier: BSD-2-Clause
#include "machine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

namespace init {

static constexpr unsigned short kDebugExitPort = 0xf4;  // QEMU's isa-debug-exit, as `./tine` configures it

static void mount_one(const char* type, const char* where, unsigned long flags, const char* options) {
  mkdir(where, 0755);
  if (mount(type, where, type, flags, options) == 0) return;
  // EBUSY: the kernel mounted it itself. The others: a kernel without this file system.
  if (errno != EBUSY && errno != ENODEV && errno != ENOENT && errno != ENOSYS) {
    fprintf(stderr, "init: cannot mount %s: %s\n", where, strerror(errno));
  }
}

void mount_file_systems() {
  mount_one("devtmpfs", "/dev", MS_NOSUID, "mode=0755");
  mount_one("proc", "/proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  mount_one("sysfs", "/sys", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
  mount_one("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "gid=5,mode=620,ptmxmode=666");
  mount_one("tmpfs", "/dev/shm", MS_NOSUID | MS_NODEV, "mode=1777");
  symlink("/proc/self/fd", "/dev/fd");
  symlink("/proc/self/fd/0", "/dev/stdin");
  symlink("/proc/self/fd/1", "/dev/stdout");
  symlink("/proc/self/fd/2", "/dev/stderr");
}

void tell_host(const char* text) {
  int port = open("/dev/ttyS1", O_RDWR | O_NOCTTY | O_CLOEXEC);
  // The only one, on machines that have no second.
  if (port < 0) port = open("/dev/ttyS0", O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (port < 0) return;
  struct termios modes;
  if (tcgetattr(port, &modes) == 0) {
    cfmakeraw(&modes);
    cfsetspeed(&modes, B115200);
    tcsetattr(port, TCSANOW, &modes);
  }
  // The kernel writes to the same line: begin a new one.
  dprintf(port, "\n%s\n", text);
  tcdrain(port);
  close(port);
}

void power_off(int status) {
  char line[32];
  snprintf(line, sizeof line, "tine-status: %d", status);
  tell_host(line);
  sync();
  // Tine ends the machine when its first process ends and has no I/O ports for programs; Linux has them.
  if (ioperm(kDebugExitPort, 1, 1) != 0) _exit(status);
  outb(static_cast<unsigned char>(status), kDebugExitPort);
  reboot(RB_POWER_OFF);
  reboot(RB_AUTOBOOT);
  for (;;) pause();
}

}  // namespace init
