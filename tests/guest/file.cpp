// SPDX-License-Identifier: BSD-2-Clause
// Files and descriptors on tmpfs.
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <utime.h>

#include "check.h"

namespace {
// A new file that has no name any more.
int scratch_file() {
  char name[] = "/tmp/scratchXXXXXX";
  const int file = CHECK_OK(mkstemp(name));
  CHECK_OK(unlink(name));
  return file;
}
struct stat status_of(const char* path) {
  struct stat status;
  CHECK_OK(lstat(path, &status));
  return status;
}
void touch(const char* path, mode_t mode = 0644) { close(CHECK_OK(open(path, O_WRONLY | O_CREAT | O_EXCL, mode))); }
}  // namespace

TEST(written_bytes_are_read_back) {
  const int file = scratch_file();
  CHECK_EQ(write(file, "hello world", 11), 11);
  CHECK_EQ(lseek(file, 6, SEEK_SET), 6);
  char text[16] = {};
  CHECK_EQ(read(file, text, sizeof text), 5);
  CHECK_EQ(static_cast<const char*>(text), "world");
  CHECK_EQ(read(file, text, sizeof text), 0);
}

TEST(positioned_and_vectored_io) {
  const int file = scratch_file();
  CHECK_EQ(pwrite(file, "0123456789", 10, 100), 10);
  CHECK_EQ(lseek(file, 0, SEEK_CUR), 0);
  char first[4] = {}, second[4] = {};
  iovec parts[] = {{first, 3}, {second, 3}};
  CHECK_EQ(preadv(file, parts, 2, 102), 6);
  CHECK_EQ(static_cast<const char*>(first), "234");
  CHECK_EQ(static_cast<const char*>(second), "567");
  CHECK_EQ(writev(file, parts, 2), 6);
  CHECK_EQ(lseek(file, 0, SEEK_CUR), 6);
  CHECK_ERRNO(writev(file, parts, -1), EINVAL);
}

TEST(holes_read_as_zero) {
  const int file = scratch_file();
  CHECK_EQ(pwrite(file, "x", 1, 1 << 20), 1);
  char byte = 1;
  CHECK_EQ(pread(file, &byte, 1, 5000), 1);
  CHECK_EQ(byte, 0);
  struct stat status;
  CHECK_OK(fstat(file, &status));
  CHECK_EQ(status.st_size, (1 << 20) + 1);
  CHECK(status.st_blocks < 100);
}

TEST(truncate_cuts_and_extends_with_zeros) {
  const int file = scratch_file();
  CHECK_EQ(write(file, "abcdefgh", 8), 8);
  CHECK_OK(ftruncate(file, 3));
  CHECK_OK(ftruncate(file, 8));
  char text[8];
  CHECK_EQ(pread(file, text, 8, 0), 8);
  CHECK(memcmp(text, "abc\0\0\0\0\0", 8) == 0);
  CHECK_ERRNO(ftruncate(file, -1), EINVAL);
}

TEST(append_writes_at_the_end) {
  const int file = scratch_file();
  CHECK_EQ(write(file, "12345", 5), 5);
  CHECK_OK(fcntl(file, F_SETFL, O_APPEND));
  CHECK_EQ(lseek(file, 0, SEEK_SET), 0);
  CHECK_EQ(write(file, "67", 2), 2);
  CHECK_EQ(lseek(file, 0, SEEK_CUR), 7);
}

TEST(seek_kinds_and_errors) {
  const int file = scratch_file();
  CHECK_EQ(write(file, "abc", 3), 3);
  CHECK_EQ(lseek(file, -1, SEEK_END), 2);
  CHECK_EQ(lseek(file, 5, SEEK_CUR), 7);
  CHECK_ERRNO(lseek(file, -8, SEEK_CUR), EINVAL);
  CHECK_ERRNO(lseek(file, 0, 99), EINVAL);
}

TEST(open_flags) {
  const char* const path = "/tmp/openflags";
  CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
  close(CHECK_OK(open(path, O_RDWR | O_CREAT, 0640)));
  CHECK_EQ(status_of(path).st_mode & 07777, 0640u);
  CHECK_ERRNO(open(path, O_RDWR | O_CREAT | O_EXCL, 0600), EEXIST);
  CHECK_ERRNO(open(path, O_RDONLY | O_DIRECTORY), ENOTDIR);
  CHECK_ERRNO(open("/tmp", O_WRONLY), EISDIR);
  const int file = CHECK_OK(open(path, O_WRONLY));
  CHECK_EQ(write(file, "abc", 3), 3);
  char byte;
  CHECK_ERRNO(read(file, &byte, 1), EBADF);
  close(CHECK_OK(open(path, O_WRONLY | O_TRUNC)));
  CHECK_EQ(status_of(path).st_size, 0);
  CHECK_OK(symlink(path, "/tmp/openlink"));
  CHECK_ERRNO(open("/tmp/openlink", O_RDONLY | O_NOFOLLOW), ELOOP);
  CHECK_OK(unlink("/tmp/openlink"));
  CHECK_OK(unlink(path));
}

TEST(umask_takes_bits_away) {
  umask(027);
  touch("/tmp/masked", 0777);
  CHECK_EQ(status_of("/tmp/masked").st_mode & 07777, 0750u);
  CHECK_OK(unlink("/tmp/masked"));
}

TEST(unlinked_file_lives_until_closed) {
  touch("/tmp/unlinked");
  const int file = CHECK_OK(open("/tmp/unlinked", O_RDWR));
  CHECK_OK(unlink("/tmp/unlinked"));
  CHECK_EQ(write(file, "x", 1), 1);
  struct stat status;
  CHECK_OK(fstat(file, &status));
  CHECK_EQ(status.st_nlink, 0u);
}

TEST(hard_links_are_one_file) {
  touch("/tmp/linkone");
  CHECK_OK(link("/tmp/linkone", "/tmp/linktwo"));
  const struct stat one = status_of("/tmp/linkone"), two = status_of("/tmp/linktwo");
  CHECK_EQ(one.st_ino, two.st_ino);
  CHECK_EQ(one.st_nlink, 2u);
  CHECK_ERRNO(link("/tmp/linkone", "/tmp/linktwo"), EEXIST);
  CHECK_ERRNO(link("/tmp", "/tmp/dirlink"), EPERM);
  CHECK_OK(unlink("/tmp/linkone"));
  CHECK_EQ(status_of("/tmp/linktwo").st_nlink, 1u);
  CHECK_OK(unlink("/tmp/linktwo"));
}

TEST(symbolic_links_resolve_and_loops_say_ELOOP) {
  CHECK_OK(mkdir("/tmp/target", 0755));
  CHECK_OK(symlink("target", "/tmp/rel"));
  touch("/tmp/rel/file");
  CHECK_EQ(status_of("/tmp/target/file").st_size, 0);
  char text[32] = {};
  CHECK_EQ(readlink("/tmp/rel", text, sizeof text), 6);
  CHECK_EQ(static_cast<const char*>(text), "target");
  CHECK_EQ(readlink("/tmp/rel", text, 3), 3);
  CHECK_ERRNO(readlink("/tmp/target", text, sizeof text), EINVAL);
  CHECK_OK(symlink("loop", "/tmp/loop"));
  CHECK_ERRNO(open("/tmp/loop", O_RDONLY), ELOOP);
  for (const char* path : (const char*[]){"/tmp/loop", "/tmp/rel", "/tmp/target/file"}) CHECK_OK(unlink(path));
  CHECK_OK(rmdir("/tmp/target"));
}

TEST(rename_moves_replaces_and_refuses) {
  touch("/tmp/from");
  touch("/tmp/to");
  const ino_t inode = status_of("/tmp/from").st_ino;
  CHECK_OK(rename("/tmp/from", "/tmp/to"));
  CHECK_EQ(status_of("/tmp/to").st_ino, inode);
  CHECK_ERRNO(rename("/tmp/from", "/tmp/to"), ENOENT);
  CHECK_OK(mkdir("/tmp/dir", 0755));
  CHECK_OK(mkdir("/tmp/dir/sub", 0755));
  CHECK_ERRNO(rename("/tmp/to", "/tmp/dir"), EISDIR);
  CHECK_ERRNO(rename("/tmp/dir", "/tmp/to"), ENOTDIR);
  CHECK_ERRNO(rename("/tmp/dir", "/tmp/dir/sub/below"), EINVAL);
  CHECK_OK(mkdir("/tmp/other", 0755));
  CHECK_ERRNO(rename("/tmp/other", "/tmp/dir"), ENOTEMPTY);
  CHECK_OK(rename("/tmp/dir", "/tmp/other"));
  CHECK_EQ(status_of("/tmp/other").st_nlink, 3u);
  CHECK_OK(rmdir("/tmp/other/sub"));
  CHECK_OK(rmdir("/tmp/other"));
  CHECK_OK(unlink("/tmp/to"));
}

TEST(permissions_bind_ordinary_users) {
  touch("/tmp/secret", 0600);
  CHECK_OK(mkdir("/tmp/closed", 0700));
  CHECK_EQ(in_child([] {
             CHECK_OK(setgid(1000));
             CHECK_OK(setuid(1000));
             CHECK_ERRNO(open("/tmp/secret", O_RDONLY), EACCES);
             CHECK_ERRNO(open("/tmp/closed/x", O_RDONLY), EACCES);
             CHECK_ERRNO(access("/tmp/secret", R_OK), EACCES);
             CHECK_ERRNO(chmod("/tmp/secret", 0666), EPERM);
             CHECK_ERRNO(chown("/tmp/secret", 1000, 1000), EPERM);
             CHECK_ERRNO(unlink("/tmp/secret"), EPERM);  // the sticky bit of /tmp
             CHECK_ERRNO(mkdir("/etc/x", 0755), EACCES);
           }),
           0);
  CHECK_OK(access("/tmp/secret", R_OK | W_OK));
  CHECK_ERRNO(access("/tmp/secret", X_OK), EACCES);
  CHECK_OK(rmdir("/tmp/closed"));
  CHECK_OK(unlink("/tmp/secret"));
}

TEST(chown_clears_set_user_id) {
  touch("/tmp/owned");
  CHECK_OK(chmod("/tmp/owned", 06755));
  CHECK_OK(chown("/tmp/owned", 1000, 1000));
  const struct stat status = status_of("/tmp/owned");
  CHECK_EQ(status.st_uid, 1000u);
  CHECK_EQ(status.st_gid, 1000u);
  CHECK_EQ(status.st_mode & 07777, 0755u);
  CHECK_OK(unlink("/tmp/owned"));
}

TEST(set_user_id_is_gone_when_a_write_begins) {
  constexpr size_t kSize = 48 << 20;
  touch("/tmp/overwritten");
  CHECK_OK(chmod("/tmp/overwritten", 06777));
  const pid_t writer = start_child([] {
    CHECK_OK(setgid(1000));
    CHECK_OK(setuid(1000));
    const int file = CHECK_OK(open("/tmp/overwritten", O_WRONLY));
    char* bytes = static_cast<char*>(mmap(nullptr, kSize, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    CHECK_EQ(write(file, bytes, kSize), static_cast<ssize_t>(kSize));
  });
  struct stat status;
  do status = status_of("/tmp/overwritten");
  while (status.st_size == 0);
  CHECK_EQ(status_of("/tmp/overwritten").st_mode & 07777, 0777u);
  CHECK_EQ(wait_for(writer), 0);
  CHECK_OK(unlink("/tmp/overwritten"));
}

TEST(times_are_kept_and_set) {
  touch("/tmp/times");
  const timespec times[] = {{1000, 5}, {2000, 6}};
  CHECK_OK(utimensat(AT_FDCWD, "/tmp/times", times, 0));
  struct stat status = status_of("/tmp/times");
  CHECK_EQ(status.st_atim.tv_sec, 1000);
  CHECK_EQ(status.st_mtim.tv_sec, 2000);
  CHECK_EQ(status.st_mtim.tv_nsec, 6);
  const int file = CHECK_OK(open("/tmp/times", O_WRONLY));
  CHECK_EQ(write(file, "x", 1), 1);
  CHECK(status_of("/tmp/times").st_mtim.tv_sec != 2000);
  CHECK_OK(unlink("/tmp/times"));
}

TEST(path_errors) {
  static char component[NAME_MAX + 8], path[PATH_MAX + 8];
  memcpy(component, "/tmp/", 5);
  memset(component + 5, 'n', NAME_MAX + 1);
  CHECK_ERRNO(open(component, O_RDONLY), ENAMETOOLONG);
  memset(path, '/', sizeof path - 1);
  CHECK_ERRNO(open(path, O_RDONLY), ENAMETOOLONG);
  CHECK_ERRNO(open("", O_RDONLY), ENOENT);
  touch("/tmp/plainfile");
  CHECK_ERRNO(open("/tmp/plainfile/x", O_RDONLY), ENOTDIR);
  CHECK_ERRNO(open("/tmp/plainfile/", O_RDONLY), ENOTDIR);
  CHECK_ERRNO(open("/tmp/nowhere/x", O_CREAT | O_WRONLY, 0600), ENOENT);
  CHECK_ERRNO(open(reinterpret_cast<char*>(24), O_RDONLY), EFAULT);
  CHECK_OK(unlink("/tmp/plainfile"));
}

TEST(descriptors_are_given_out_lowest_first) {
  const int first = CHECK_OK(dup(0)), second = CHECK_OK(dup(0)), third = CHECK_OK(dup(0));
  CHECK_EQ(second, first + 1);
  CHECK_OK(close(second));
  CHECK_EQ(dup(0), second);
  CHECK_EQ(fcntl(0, F_DUPFD, 50), 50);
  CHECK_EQ(fcntl(0, F_DUPFD_CLOEXEC, 50), 51);
  CHECK_EQ(fcntl(51, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(fcntl(50, F_GETFD), 0);
  CHECK_OK(close(third));
}

TEST(dup2_replaces_and_dup3_sets_cloexec) {
  const int file = scratch_file();
  CHECK_EQ(write(file, "abc", 3), 3);
  CHECK_EQ(dup2(file, 40), 40);
  CHECK_EQ(lseek(40, 0, SEEK_CUR), 3);
  CHECK_EQ(lseek(40, 1, SEEK_SET), 1);
  CHECK_EQ(lseek(file, 0, SEEK_CUR), 1);
  CHECK_EQ(dup2(file, file), file);
  CHECK_EQ(dup3(file, 41, O_CLOEXEC), 41);
  CHECK_EQ(fcntl(41, F_GETFD), FD_CLOEXEC);
  CHECK_ERRNO(dup3(file, file, 0), EINVAL);
  CHECK_ERRNO(dup2(99, 40), EBADF);
  CHECK_ERRNO(dup2(file, -1), EBADF);
  CHECK_ERRNO(close(99), EBADF);
}

TEST(L7_RLIMIT_NOFILE_bounds_descriptors_in_one_process_only) {
  rlimit before;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &before));
  CHECK_EQ(in_child([=] {
             const rlimit few = {10, before.rlim_max};
             CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
             int last = 0;
             for (int made; (made = dup(0)) >= 0;) last = made;
             CHECK_EQ(errno, EMFILE);
             CHECK_EQ(last, 9);
             CHECK_ERRNO(dup2(0, 10), EBADF);
             CHECK_ERRNO(fcntl(0, F_DUPFD, 10), EINVAL);
           }),
           0);
  rlimit after;
  CHECK_OK(getrlimit(RLIMIT_NOFILE, &after));
  CHECK_EQ(after.rlim_cur, before.rlim_cur);
}

TEST(without_a_free_descriptor_open_does_nothing) {
  const int file = CHECK_OK(open("/tmp/precious", O_CREAT | O_WRONLY, 0600));
  CHECK_EQ(write(file, "precious", 8), 8);
  const rlimit full = {static_cast<rlim_t>(file) + 1, 1024};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &full));
  while (dup(file) >= 0) continue;
  CHECK_ERRNO(open("/tmp/precious", O_WRONLY | O_TRUNC), EMFILE);
  CHECK_EQ(status_of("/tmp/precious").st_size, 8);
  CHECK_ERRNO(open("/tmp/unmade", O_CREAT | O_WRONLY, 0600), EMFILE);
  CHECK_ERRNO(access("/tmp/unmade", F_OK), ENOENT);
  CHECK_OK(unlink("/tmp/precious"));
}

TEST(a_thousand_descriptors) {
  const rlimit many = {4096, 4096};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &many));
  for (int i = 3; i < 4096; i++) CHECK_EQ(dup(0), i);
  CHECK_ERRNO(dup(0), EMFILE);
  CHECK_EQ(in_child([] {
             CHECK_OK(close(2000));
             CHECK_EQ(dup(0), 2000);
             for (int i = 3; i < 4096; i++) CHECK_OK(close(i));
           }),
           0);
  CHECK_OK(fcntl(2000, F_GETFD));
}

TEST(C12_record_locks_are_not_inherited) {
  const int file = scratch_file();
  struct flock lock = {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = 10;
  lock.l_len = 10;
  CHECK_OK(fcntl(file, F_SETLK, &lock));
  const pid_t owner = getpid();
  CHECK_EQ(in_child([=] {
             struct flock wanted = {};
             wanted.l_type = F_RDLCK;
             wanted.l_whence = SEEK_SET;
             wanted.l_start = 19;
             wanted.l_len = 5;
             CHECK_ERRNO(fcntl(file, F_SETLK, &wanted), EAGAIN);
             struct flock held = wanted;
             CHECK_OK(fcntl(file, F_GETLK, &held));
             CHECK_EQ(held.l_type, static_cast<short>(F_WRLCK));
             CHECK_EQ(held.l_pid, owner);
             CHECK_EQ(held.l_start, 10);
             wanted.l_start = 20;
             CHECK_OK(fcntl(file, F_SETLK, &wanted));
           }),
           0);
}

TEST(record_lock_deadlock_is_found) {
  const int file = scratch_file();
  const auto lock = [=](off_t at, int command) {
    struct flock wanted = {};
    wanted.l_type = F_WRLCK;
    wanted.l_whence = SEEK_SET;
    wanted.l_start = at;
    wanted.l_len = 1;
    return fcntl(file, command, &wanted);
  };
  Gate held, go;
  CHECK_OK(lock(0, F_SETLK));
  const pid_t child = start_child([&] {
    CHECK_OK(lock(1, F_SETLK));
    held.open();
    CHECK_OK(lock(0, F_SETLKW));
  });
  held.wait();
  sleep_ms(100);
  CHECK_ERRNO(lock(1, F_SETLKW), EDEADLK);
  close(file);  // gives the lock up
  CHECK_EQ(wait_for(child), 0);
}

TEST(flock_belongs_to_the_open_file) {
  char name[] = "/tmp/flockXXXXXX";
  const int file = CHECK_OK(mkstemp(name));
  CHECK_OK(flock(file, LOCK_EX));
  CHECK_EQ(in_child([&] {
             CHECK_OK(flock(file, LOCK_EX | LOCK_NB));  // the same open file
             const int other = CHECK_OK(open(name, O_RDWR));
             CHECK_ERRNO(flock(other, LOCK_SH | LOCK_NB), EWOULDBLOCK);
           }),
           0);
  CHECK_OK(unlink(name));
}

TEST(special_devices) {
  const int null = CHECK_OK(open("/dev/null", O_RDWR)), zero = CHECK_OK(open("/dev/zero", O_RDWR));
  char text[16];
  CHECK_EQ(read(null, text, sizeof text), 0);
  CHECK_EQ(write(null, text, sizeof text), static_cast<ssize_t>(sizeof text));
  memset(text, 1, sizeof text);
  CHECK_EQ(read(zero, text, sizeof text), static_cast<ssize_t>(sizeof text));
  CHECK_EQ(text[15], 0);
  const int full = CHECK_OK(open("/dev/full", O_WRONLY));
  CHECK_ERRNO(write(full, text, 1), ENOSPC);
  const int random = CHECK_OK(open("/dev/urandom", O_RDONLY));
  uint64_t first[2], second[2];
  CHECK_EQ(read(random, first, sizeof first), static_cast<ssize_t>(sizeof first));
  CHECK_EQ(read(random, second, sizeof second), static_cast<ssize_t>(sizeof second));
  CHECK(memcmp(first, second, sizeof first) != 0);
}

TEST(RLIMIT_FSIZE_raises_SIGXFSZ) {
  CHECK_EQ(in_child([] {
             const rlimit small = {1000, 1000};
             CHECK_OK(setrlimit(RLIMIT_FSIZE, &small));
             const int file = scratch_file();
             CHECK_EQ(pwrite(file, "abcdef", 6, 997), 3);
             (void)!pwrite(file, "x", 1, 1000);
           }),
           128 + SIGXFSZ);
}
