// SPDX-License-Identifier: BSD-2-Clause
// Mounts: bind, move, remount, busy and lazy unmounting, file systems' types.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "check.h"

namespace {
void make_file(const char* path) { close(CHECK_OK(open(path, O_WRONLY | O_CREAT, 0644))); }

// A directory with a tmpfs of its own, so that the test may mount in it.
void enter_playground(const char* path) {
  CHECK_OK(mkdir(path, 0755));
  if (mount("none", path, "tmpfs", 0, nullptr) != 0) SKIP("cannot mount");
  CHECK_OK(mount(nullptr, path, nullptr, MS_PRIVATE, nullptr));
  CHECK_OK(chdir(path));
}
}  // namespace

TEST(bind_mounts_show_a_tree_in_two_places) {
  enter_playground("/tmp/bind");
  CHECK_OK(mkdir("a", 0755));
  CHECK_OK(mkdir("b", 0755));
  make_file("a/file");
  CHECK_OK(mount("a", "b", nullptr, MS_BIND, nullptr));
  CHECK_OK(access("b/file", F_OK));
  make_file("b/other");
  CHECK_OK(access("a/other", F_OK));
  struct stat a, b;
  CHECK_OK(stat("a", &a));
  CHECK_OK(stat("b", &b));
  CHECK_EQ(a.st_ino, b.st_ino);
  CHECK_ERRNO(rename("a/file", "b/moved"), EXDEV);
  CHECK_ERRNO(rmdir("b"), EBUSY);
  CHECK_OK(chdir("b"));
  CHECK_OK(chdir(".."));
  CHECK_OK(access("b", F_OK));
  CHECK_OK(umount("b"));
  CHECK_ERRNO(access("b/file", F_OK), ENOENT);
}

TEST(files_can_be_bind_mounted) {
  enter_playground("/tmp/bindfile");
  make_file("a");
  make_file("b");
  CHECK_OK(mkdir("dir", 0755));
  CHECK_ERRNO(mount("a", "dir", nullptr, MS_BIND, nullptr), ENOTDIR);
  CHECK_OK(mount("a", "b", nullptr, MS_BIND, nullptr));
  struct stat a, b;
  CHECK_OK(stat("a", &a));
  CHECK_OK(stat("b", &b));
  CHECK_EQ(a.st_ino, b.st_ino);
  CHECK_ERRNO(unlink("b"), EBUSY);
  CHECK_OK(umount("b"));
}

TEST(mounts_in_use_are_busy_unless_detached_lazily) {
  enter_playground("/tmp/busy");
  CHECK_OK(mkdir("m", 0755));
  CHECK_OK(mount("none", "m", "tmpfs", 0, nullptr));
  const int file = CHECK_OK(open("m/file", O_RDWR | O_CREAT, 0644));
  CHECK_ERRNO(umount("m"), EBUSY);
  CHECK_OK(umount2("m", MNT_DETACH));
  CHECK_ERRNO(access("m/file", F_OK), ENOENT);
  CHECK_EQ(write(file, "still", 5), 5);
  close(file);
  CHECK_OK(rmdir("m"));
}

TEST(nothing_is_mounted_on_what_is_detached) {
  enter_playground("/tmp/stranded");
  CHECK_OK(mkdir("m", 0755));
  CHECK_OK(mount("none", "m", "tmpfs", 0, nullptr));
  CHECK_OK(mkdir("m/point", 0755));
  CHECK_OK(chdir("m"));
  CHECK_OK(umount2("/tmp/stranded/m", MNT_DETACH));
  CHECK_ERRNO(mount("none", "point", "tmpfs", 0, nullptr), EINVAL);
}

TEST(mounts_stack_and_come_off_in_reverse) {
  enter_playground("/tmp/stack");
  CHECK_OK(mkdir("m", 0755));
  CHECK_OK(mount("none", "m", "tmpfs", 0, nullptr));
  make_file("m/first");
  CHECK_OK(mount("none", "m", "tmpfs", 0, nullptr));
  CHECK_ERRNO(access("m/first", F_OK), ENOENT);
  CHECK_OK(umount("m"));
  CHECK_OK(access("m/first", F_OK));
  CHECK_OK(umount("m"));
  CHECK_ERRNO(umount("m"), EINVAL);
}

TEST(mounts_can_be_moved_and_remounted) {
  enter_playground("/tmp/move");
  CHECK_OK(mkdir("from", 0755));
  CHECK_OK(mkdir("to", 0755));
  CHECK_OK(mount("none", "from", "tmpfs", 0, nullptr));
  make_file("from/file");
  CHECK_OK(mount("from", "to", nullptr, MS_MOVE, nullptr));
  CHECK_OK(access("to/file", F_OK));
  CHECK_ERRNO(access("from/file", F_OK), ENOENT);
  CHECK_OK(mount(nullptr, "to", nullptr, MS_REMOUNT | MS_RDONLY, nullptr));
  CHECK_ERRNO(open("to/new", O_CREAT | O_RDWR, 0600), EROFS);
  CHECK_ERRNO(open("to/file", O_RDWR), EROFS);
  CHECK_ERRNO(chmod("to/file", 0600), EROFS);
  CHECK_ERRNO(access("to/file", W_OK), EROFS);
  CHECK_OK(mount(nullptr, "to", nullptr, MS_REMOUNT, nullptr));
  make_file("to/new");
}

TEST(mount_errors) {
  enter_playground("/tmp/mounterrors");
  CHECK_OK(mkdir("m", 0755));
  CHECK_ERRNO(mount("none", "m", "nosuchfs", 0, nullptr), ENODEV);
  CHECK_ERRNO(mount("none", "nowhere", "tmpfs", 0, nullptr), ENOENT);
  CHECK_ERRNO(umount("m"), EINVAL);
  CHECK_EQ(in_child([] {
             CHECK_OK(setuid(1001));
             CHECK_ERRNO(mount("none", "m", "tmpfs", 0, nullptr), EPERM);
             CHECK_ERRNO(umount("/tmp/mounterrors"), EPERM);
           }),
           0);
}

TEST(nodev_and_noexec_mounts) {
  enter_playground("/tmp/restricted");
  CHECK_OK(mkdir("m", 0755));
  CHECK_OK(mount("none", "m", "tmpfs", MS_NODEV | MS_NOEXEC, nullptr));
  CHECK_OK(mknod("m/null", S_IFCHR | 0666, 0x103));
  CHECK_ERRNO(open("m/null", O_RDONLY), EACCES);
  make_file("m/program");
  CHECK_OK(chmod("m/program", 0755));
  CHECK_ERRNO(execl("m/program", "program", static_cast<char*>(nullptr)), EACCES);
  CHECK_ERRNO(access("m/program", X_OK), EACCES);
  const int program = CHECK_OK(open("m/program", O_RDONLY));
  CHECK(mmap(nullptr, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, program, 0) == MAP_FAILED);
  CHECK_EQ(errno, EPERM);
  void* readable = mmap(nullptr, 4096, PROT_READ, MAP_PRIVATE, program, 0);
  CHECK(readable != MAP_FAILED);
  CHECK_ERRNO(mprotect(readable, 4096, PROT_READ | PROT_EXEC), EACCES);
}
