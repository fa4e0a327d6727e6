// SPDX-License-Identifier: BSD-2-Clause
// Directories: listing, making, walking, mounts and roots.
#include <dirent.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "check.h"

namespace {
int count_entries(const char* path) {
  DIR* const directory = opendir(path);
  if (!directory) fail(__FILE__, __LINE__, "opendir(%s): %s", path, strerror(errno));
  int count = 0;
  while (readdir(directory)) count++;
  closedir(directory);
  return count;
}
const char* where() {
  static char path[256];
  CHECK(getcwd(path, sizeof path));
  return path;
}
}  // namespace

TEST(listing_names_every_entry_once) {
  CHECK_OK(mkdir("/tmp/list", 0755));
  char path[64];
  for (int i = 0; i < 1000; i++) {
    snprintf(path, sizeof path, "/tmp/list/entry-%d", i);
    close(CHECK_OK(open(path, O_WRONLY | O_CREAT, 0600)));
  }
  static bool seen[1000];
  DIR* const directory = opendir("/tmp/list");
  CHECK(directory != nullptr);
  int dots = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') {
      dots++;
      CHECK_EQ(entry->d_type, DT_DIR);
      continue;
    }
    const int number = atoi(entry->d_name + 6);
    CHECK(!seen[number]);
    seen[number] = true;
    CHECK_EQ(entry->d_type, DT_REG);
    CHECK(entry->d_ino != 0);
  }
  CHECK_EQ(dots, 2);
  for (const bool each : seen) CHECK(each);
  rewinddir(directory);
  CHECK(readdir(directory) != nullptr);
  closedir(directory);
  for (int i = 0; i < 1000; i++) {
    snprintf(path, sizeof path, "/tmp/list/entry-%d", i);
    CHECK_OK(unlink(path));
  }
  CHECK_OK(rmdir("/tmp/list"));
}

TEST(removing_while_listing_loses_no_other_entry) {
  CHECK_OK(mkdir("/tmp/shrink", 0755));
  char path[300];
  for (int i = 0; i < 300; i++) {
    snprintf(path, sizeof path, "/tmp/shrink/%d", i);
    close(CHECK_OK(open(path, O_WRONLY | O_CREAT, 0600)));
  }
  DIR* const directory = opendir("/tmp/shrink");
  int removed = 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    snprintf(path, sizeof path, "/tmp/shrink/%s", entry->d_name);
    CHECK_OK(unlink(path));
    removed++;
  }
  closedir(directory);
  CHECK_EQ(removed, 300);
  CHECK_OK(rmdir("/tmp/shrink"));
}

TEST(getdents_refuses_small_buffers_and_files) {
  const int directory = CHECK_OK(open("/", O_RDONLY | O_DIRECTORY));
  char buffer[1024];
  CHECK_ERRNO(syscall(SYS_getdents64, directory, buffer, 8), EINVAL);
  const int file = CHECK_OK(open("/dev/null", O_RDONLY));
  CHECK_ERRNO(syscall(SYS_getdents64, file, buffer, sizeof buffer), ENOTDIR);
  CHECK_ERRNO(read(directory, buffer, 1), EISDIR);
}

TEST(mkdir_and_rmdir) {
  CHECK_OK(mkdir("/tmp/made", 0750));
  struct stat status;
  CHECK_OK(stat("/tmp/made", &status));
  CHECK(S_ISDIR(status.st_mode));
  CHECK_EQ(status.st_mode & 07777, 0750u);
  CHECK_EQ(status.st_nlink, 2u);
  CHECK_ERRNO(mkdir("/tmp/made", 0750), EEXIST);
  CHECK_OK(mkdir("/tmp/made/sub", 0755));
  CHECK_ERRNO(rmdir("/tmp/made"), ENOTEMPTY);
  CHECK_ERRNO(unlink("/tmp/made"), EISDIR);
  CHECK_ERRNO(rmdir("/tmp/made/sub/."), EINVAL);
  CHECK_OK(rmdir("/tmp/made/sub/"));
  CHECK_OK(rmdir("/tmp/made"));
  CHECK_ERRNO(rmdir("/tmp/made"), ENOENT);
}

TEST(working_directory_follows_renames) {
  CHECK_OK(mkdir("/tmp/cwd", 0755));
  CHECK_OK(mkdir("/tmp/cwd/below", 0755));
  CHECK_OK(chdir("/tmp/cwd/below"));
  CHECK_EQ(where(), "/tmp/cwd/below");
  CHECK_OK(rename("/tmp/cwd", "/tmp/moved"));
  CHECK_EQ(where(), "/tmp/moved/below");
  CHECK_OK(chdir(".."));
  CHECK_EQ(where(), "/tmp/moved");
  CHECK_OK(rmdir("below"));
  CHECK_OK(rmdir("/tmp/moved"));
  char path[64];
  CHECK_ERRNO(reinterpret_cast<intptr_t>(getcwd(path, sizeof path)) - 1, ENOENT);
}

TEST(at_calls_work_from_a_descriptor) {
  CHECK_OK(mkdir("/tmp/at", 0755));
  const int at = CHECK_OK(open("/tmp/at", O_RDONLY | O_DIRECTORY));
  close(CHECK_OK(openat(at, "file", O_WRONLY | O_CREAT, 0600)));
  CHECK_OK(mkdirat(at, "sub", 0755));
  CHECK_OK(symlinkat("file", at, "link"));
  CHECK_OK(linkat(at, "file", at, "hard", 0));
  CHECK_OK(renameat(at, "hard", at, "sub/hard"));
  struct stat status;
  CHECK_OK(fstatat(at, "link", &status, AT_SYMLINK_NOFOLLOW));
  CHECK(S_ISLNK(status.st_mode));
  CHECK_OK(fstatat(at, "link", &status, 0));
  CHECK(S_ISREG(status.st_mode));
  CHECK_OK(fstatat(at, "", &status, AT_EMPTY_PATH));
  CHECK(S_ISDIR(status.st_mode));
  CHECK_OK(faccessat(at, "file", R_OK, 0));
  CHECK_OK(fchmodat(at, "file", 0640, 0));
  CHECK_OK(fchownat(at, "file", 1, 2, 0));
  CHECK_EQ(count_entries("/tmp/at"), 5);
  CHECK_OK(unlinkat(at, "sub/hard", 0));
  CHECK_OK(unlinkat(at, "link", 0));
  CHECK_OK(unlinkat(at, "file", 0));
  CHECK_ERRNO(unlinkat(at, "sub", 0), EISDIR);
  CHECK_OK(unlinkat(at, "sub", AT_REMOVEDIR));
  CHECK_OK(rmdir("/tmp/at"));
  CHECK_ERRNO(openat(at, "new", O_WRONLY | O_CREAT, 0600), ENOENT);
  CHECK_ERRNO(openat(99, "x", O_RDONLY), EBADF);
  const int file = CHECK_OK(open("/dev/null", O_RDONLY));
  CHECK_ERRNO(openat(file, "x", O_RDONLY), ENOTDIR);
}

TEST(rename_exchange_and_noreplace) {
  close(CHECK_OK(open("/tmp/swap-a", O_WRONLY | O_CREAT, 0600)));
  CHECK_OK(mkdir("/tmp/swap-b", 0755));
  const auto rename2 = [](unsigned flags) {
    return syscall(SYS_renameat2, AT_FDCWD, "/tmp/swap-a", AT_FDCWD, "/tmp/swap-b", flags);
  };
  CHECK_ERRNO(rename2(1 /* RENAME_NOREPLACE */), EEXIST);
  CHECK_OK(rename2(2 /* RENAME_EXCHANGE */));
  CHECK_OK(rmdir("/tmp/swap-a"));
  CHECK_OK(unlink("/tmp/swap-b"));
}

TEST(statx_tells_what_stat_tells) {
  struct stat status;
  CHECK_OK(stat("/bin/busybox", &status));
  uint32_t statx_buffer[64] = {};
  CHECK_OK(syscall(SYS_statx, AT_FDCWD, "/bin/busybox", 0, 0x7ff, statx_buffer));
  CHECK_EQ(statx_buffer[4], status.st_nlink);
  CHECK_EQ(static_cast<mode_t>(statx_buffer[7] & 0xffff), status.st_mode);
  CHECK_EQ((static_cast<uint64_t>(statx_buffer[11]) << 32) | statx_buffer[10], static_cast<uint64_t>(status.st_size));
}

TEST(chroot_confines_and_dotdot_stops_there) {
  CHECK_OK(mkdir("/tmp/jail", 0755));
  CHECK_OK(mkdir("/tmp/jail/inside", 0755));
  CHECK_EQ(in_child([] {
             CHECK_OK(chroot("/tmp/jail"));
             CHECK_OK(chdir("/"));
             CHECK_EQ(where(), "/");
             struct stat root, up;
             CHECK_OK(stat("/", &root));
             CHECK_OK(stat("/../../..", &up));
             CHECK_EQ(root.st_ino, up.st_ino);
             CHECK_OK(stat("/inside", &up));
             CHECK_ERRNO(stat("/tmp", &up), ENOENT);
           }),
           0);
  CHECK_EQ(in_child([] {
             CHECK_OK(setuid(1000));
             CHECK_ERRNO(chroot("/tmp"), EPERM);
           }),
           0);
  CHECK_OK(rmdir("/tmp/jail/inside"));
  CHECK_OK(rmdir("/tmp/jail"));
}

TEST(tmpfs_can_be_mounted_and_unmounted) {
  CHECK_OK(mkdir("/tmp/mnt", 0755));
  CHECK_OK(mount("none", "/tmp/mnt", "tmpfs", 0, nullptr));
  struct stat inside, outside;
  CHECK_OK(stat("/tmp/mnt", &inside));
  CHECK_OK(stat("/tmp", &outside));
  CHECK(inside.st_dev != outside.st_dev);
  const int file = CHECK_OK(open("/tmp/mnt/file", O_WRONLY | O_CREAT, 0600));
  CHECK_ERRNO(umount("/tmp/mnt"), EBUSY);
  CHECK_ERRNO(rename("/tmp/mnt/file", "/tmp/file"), EXDEV);
  close(file);
  struct statfs statistics;
  CHECK_OK(statfs("/tmp/mnt", &statistics));
  CHECK_EQ(statistics.f_type, 0x01021994l);
  CHECK(strstr(read_text("/proc/mounts"), "/tmp/mnt tmpfs") != nullptr);
  CHECK_OK(umount("/tmp/mnt"));
  CHECK_ERRNO(open("/tmp/mnt/file", O_RDONLY), ENOENT);
  CHECK_ERRNO(umount("/tmp/mnt"), EINVAL);
  CHECK_ERRNO(mount("none", "/tmp/mnt", "nosuchfs", 0, nullptr), ENODEV);
  CHECK_OK(rmdir("/tmp/mnt"));
}

TEST(read_only_mount_refuses_writing) {
  CHECK_OK(mkdir("/tmp/ro", 0755));
  CHECK_OK(mount("none", "/tmp/ro", "tmpfs", MS_RDONLY, nullptr));
  CHECK_ERRNO(open("/tmp/ro/file", O_WRONLY | O_CREAT, 0600), EROFS);
  CHECK_ERRNO(mkdir("/tmp/ro/dir", 0755), EROFS);
  CHECK_OK(umount("/tmp/ro"));
  CHECK_OK(rmdir("/tmp/ro"));
}
