// SPDX-License-Identifier: BSD-2-Clause
// Path lookup in its corners: what the last component may be, where links may lead, and who may do what.
#include <fcntl.h>
#include <limits.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include "check.h"

namespace {
void make_file(const char* path, const char* text = "") {
  const int file = CHECK_OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  CHECK_EQ(write(file, text, strlen(text)), static_cast<ssize_t>(strlen(text)));
  close(file);
}

// In an empty directory of its own.
void enter_new_directory(const char* path) {
  CHECK_OK(mkdir(path, 0755));
  CHECK_OK(chdir(path));
}

struct OpenHow {
  uint64_t flags, mode, resolve;
};
long open_resolved(int directory, const char* path, uint64_t flags, uint64_t resolve) {
  const OpenHow how{flags, 0, resolve};
  return syscall(437 /* openat2 */, directory, path, &how, sizeof how);
}
constexpr uint64_t kNoCrossMounts = 1, kNoMagicLinks = 2, kNoSymlinks = 4, kBeneath = 8, kInRoot = 16;

template <class Body>
int as_user(unsigned uid, unsigned gid, Body body) {
  return in_child([&] {
    CHECK_OK(setgid(gid));
    CHECK_OK(setuid(uid));
    body();
  });
}
}  // namespace

TEST(dots_as_last_component) {
  enter_new_directory("/tmp/dots");
  CHECK_ERRNO(mkdir(".", 0755), EEXIST);
  CHECK_ERRNO(mkdir("/", 0755), EEXIST);
  CHECK_ERRNO(rmdir("."), EINVAL);
  CHECK_ERRNO(rmdir("/tmp/dots/.."), ENOTEMPTY);
  CHECK_ERRNO(rmdir("/"), EBUSY);
  CHECK_ERRNO(unlink("."), EISDIR);
  CHECK_ERRNO(rename(".", "x"), EBUSY);
  CHECK_ERRNO(rename("x", ".."), EBUSY);
  CHECK_ERRNO(open(".", O_CREAT | O_RDWR, 0600), EISDIR);
  CHECK_ERRNO(open(".", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
}

TEST(trailing_slashes) {
  enter_new_directory("/tmp/slashes");
  CHECK_OK(mkdir("dir//", 0755));
  make_file("file");
  CHECK_ERRNO(open("file/", O_RDONLY), ENOTDIR);
  CHECK_ERRNO(open("new/", O_CREAT | O_RDWR, 0600), EISDIR);
  CHECK_ERRNO(unlink("file/"), ENOTDIR);
  CHECK_ERRNO(rmdir("file"), ENOTDIR);
  CHECK_ERRNO(rename("file", "other/"), ENOTDIR);
  CHECK_ERRNO(link("file", "other/"), ENOENT);
  CHECK_ERRNO(symlink("file", "other/"), ENOENT);
  CHECK_ERRNO(mknod("other/", S_IFREG | 0600, 0), ENOENT);
  CHECK_OK(rename("dir/", "moved/"));
  CHECK_OK(symlink("moved", "link"));
  struct stat info;
  CHECK_OK(lstat("link", &info));
  CHECK(S_ISLNK(info.st_mode));
  CHECK_OK(lstat("link/", &info));
  CHECK(S_ISDIR(info.st_mode));
}

TEST(creating_through_a_dangling_link_makes_its_target) {
  enter_new_directory("/tmp/dangling");
  CHECK_OK(mkdir("sub", 0755));
  CHECK_OK(symlink("sub/target", "link"));
  CHECK_ERRNO(open("link", O_CREAT | O_EXCL | O_RDWR, 0600), EEXIST);
  CHECK_ERRNO(open("link", O_CREAT | O_NOFOLLOW | O_RDWR, 0600), ELOOP);
  close(CHECK_OK(open("link", O_CREAT | O_RDWR, 0600)));
  CHECK_OK(access("sub/target", F_OK));
  CHECK_ERRNO(mkdir("link", 0755), EEXIST);
}

TEST(creating_through_a_link_into_a_missing_directory_makes_nothing) {
  enter_new_directory("/tmp/nowhere");
  CHECK_OK(symlink("/missing/absolute-target", "absolute"));
  CHECK_OK(symlink("missing/relative-target", "relative"));
  CHECK_OK(symlink("absolute", "second-hop-with-a-name-of-some-length"));
  CHECK_OK(symlink("second-hop-with-a-name-of-some-length", "first-hop"));
  for (const char* link : (const char*[]){"absolute", "relative", "first-hop"}) {
    CHECK_ERRNO(open(link, O_CREAT | O_RDWR, 0600), ENOENT);
    char at_root[64];
    snprintf(at_root, sizeof at_root, "/%s", link);
    CHECK_ERRNO(access(at_root, F_OK), ENOENT);
  }
}

TEST(chains_of_links_end_at_forty) {
  enter_new_directory("/tmp/chain");
  make_file("0");
  char from[16], to[16];
  for (int i = 1; i <= 41; i++) {
    snprintf(to, sizeof to, "%d", i - 1);
    snprintf(from, sizeof from, "%d", i);
    CHECK_OK(symlink(to, from));
  }
  close(CHECK_OK(open("40", O_RDONLY)));
  CHECK_ERRNO(open("41", O_RDONLY), ELOOP);
}

TEST(links_with_long_targets) {
  enter_new_directory("/tmp/long");
  make_file("file", "found");
  // "./././ ... file": longer than a name may be, shorter than a path.
  char target[2048] = {};
  for (size_t at = 0; at + 8 < sizeof target; at += 2) memcpy(target + at, "./", 3);
  strcat(target, "file");
  CHECK_OK(symlink(target, "link"));
  char back[PATH_MAX];
  CHECK_EQ(readlink("link", back, sizeof back), static_cast<ssize_t>(strlen(target)));
  char text[6] = {};
  const int file = CHECK_OK(open("link", O_RDONLY));
  CHECK_EQ(read(file, text, 5), 5);
  CHECK_EQ(static_cast<const char*>(text), "found");
  char too_long[PATH_MAX + 1];
  memset(too_long, 'x', PATH_MAX);
  too_long[PATH_MAX] = 0;
  CHECK_ERRNO(open(too_long, O_RDONLY), ENAMETOOLONG);
  too_long[NAME_MAX + 1] = 0;
  CHECK_ERRNO(open(too_long, O_CREAT | O_RDWR, 0600), ENAMETOOLONG);
  too_long[NAME_MAX] = 0;
  close(CHECK_OK(open(too_long, O_CREAT | O_RDWR, 0600)));
}

TEST(path_only_descriptors_name_a_place_and_no_more) {
  enter_new_directory("/tmp/pathonly");
  make_file("file", "text");
  CHECK_OK(symlink("file", "link"));
  const int place = CHECK_OK(open("file", O_PATH));
  char byte;
  CHECK_ERRNO(read(place, &byte, 1), EBADF);
  CHECK_ERRNO(syscall(SYS_fchmod, place, 0600), EBADF);   // libc would go by /proc
  CHECK_ERRNO(ioctl(place, 0), EBADF);
  struct stat info;
  CHECK_OK(fstat(place, &info));
  CHECK_EQ(info.st_size, 4);
  const int link = CHECK_OK(open("link", O_PATH | O_NOFOLLOW));
  char target[16];
  CHECK_EQ(readlinkat(link, "", target, sizeof target), 4);
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", place);
  const int file = CHECK_OK(open(name, O_RDONLY));
  CHECK_EQ(read(file, &byte, 1), 1);
  CHECK_EQ(byte, 't');
}

TEST(openat2_confines_the_walk) {
  enter_new_directory("/tmp/confined");
  CHECK_OK(mkdir("sub", 0755));
  make_file("sub/file");
  make_file("outside");
  CHECK_OK(symlink("../outside", "sub/up"));
  CHECK_OK(symlink("/file", "sub/absolute"));
  const int sub = CHECK_OK(open("sub", O_RDONLY | O_DIRECTORY));
  close(static_cast<int>(CHECK_OK(open_resolved(sub, "file", O_RDONLY, kBeneath))));
  CHECK_ERRNO(open_resolved(sub, "../outside", O_RDONLY, kBeneath), EXDEV);
  CHECK_ERRNO(open_resolved(sub, "up", O_RDONLY, kBeneath), EXDEV);
  CHECK_ERRNO(open_resolved(sub, "/tmp", O_RDONLY, kBeneath), EXDEV);
  CHECK_ERRNO(open_resolved(sub, "up", O_RDONLY, kNoSymlinks), ELOOP);
  close(static_cast<int>(CHECK_OK(open_resolved(sub, "absolute", O_RDONLY, kInRoot))));
  close(static_cast<int>(CHECK_OK(open_resolved(sub, "../../file", O_RDONLY, kInRoot))));
  CHECK_ERRNO(open_resolved(sub, "/proc", O_RDONLY, kNoCrossMounts), EXDEV);
  CHECK_ERRNO(open_resolved(sub, "/proc/self/fd/0", O_RDONLY, kNoMagicLinks), ELOOP);
  CHECK_ERRNO(open_resolved(sub, "file", O_RDONLY, 1 << 20), EINVAL);
}

TEST(openat2_confines_the_walk_while_directories_move) {
  enter_new_directory("/tmp/moving");
  for (const char* path : (const char*[]){"jail", "jail/a", "jail/a/b", "out"}) CHECK_OK(mkdir(path, 0755));
  make_file("secret");
  const int jail = CHECK_OK(open("jail", O_PATH | O_DIRECTORY));
  bool& done = shared<bool>();
  const pid_t mover = start_child([&] {
    while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
      CHECK_OK(rename("jail/a/b", "out/b"));
      CHECK_OK(rename("out/b", "jail/a/b"));
    }
  });
  const int64_t end = now_ns() + 1'000'000'000;
  do {
    for (const uint64_t how : (const uint64_t[]){kBeneath, kInRoot})
      CHECK_EQ(open_resolved(jail, "a/b/../../secret", O_RDONLY, how), -1);
  } while (now_ns() < end);
  __atomic_store_n(&done, true, __ATOMIC_RELAXED);
  CHECK_EQ(wait_for(mover), 0);
}

TEST(pipes_can_be_opened_again_through_proc) {
  int ends[2];
  CHECK_OK(pipe(ends));
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", ends[1]);
  const int writer = CHECK_OK(open(name, O_WRONLY));
  CHECK_EQ(write(writer, "x", 1), 1);
  char byte;
  CHECK_EQ(read(ends[0], &byte, 1), 1);
  struct stat info;
  CHECK_OK(stat(name, &info));
  CHECK(S_ISFIFO(info.st_mode));
  CHECK_OK(readlink(name, name, sizeof name));
  CHECK(strncmp(name, "pipe:[", 6) == 0);
}

TEST(unnamed_files_can_be_linked) {
  enter_new_directory("/tmp/unnamed");
  const int file = CHECK_OK(open(".", O_TMPFILE | O_RDWR, 0640));
  CHECK_EQ(write(file, "late", 4), 4);
  struct stat info;
  CHECK_OK(fstat(file, &info));
  CHECK_EQ(info.st_nlink, 0u);
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  CHECK_OK(linkat(AT_FDCWD, name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  CHECK_OK(stat("named", &info));
  CHECK_EQ(info.st_nlink, 1u);
  CHECK_EQ(info.st_size, 4);
  CHECK_ERRNO(open(".", O_TMPFILE | O_RDONLY, 0640), EINVAL);
  CHECK_OK(unlink("named"));
  CHECK_ERRNO(linkat(AT_FDCWD, name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), ENOENT);

  const int never = CHECK_OK(open(".", O_TMPFILE | O_EXCL | O_RDWR, 0640));
  snprintf(name, sizeof name, "/proc/self/fd/%d", never);
  CHECK_ERRNO(linkat(AT_FDCWD, name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW), ENOENT);
}

TEST(sticky_directories_protect_names) {
  CHECK_OK(mkdir("/tmp/sticky", 0777));
  CHECK_OK(chmod("/tmp/sticky", 01777));
  CHECK_EQ(as_user(1001, 1001, [] { make_file("/tmp/sticky/mine"); }), 0);
  CHECK_EQ(as_user(1002, 1002,
                   [] {
                     CHECK_ERRNO(unlink("/tmp/sticky/mine"), EPERM);
                     CHECK_ERRNO(rename("/tmp/sticky/mine", "/tmp/sticky/yours"), EPERM);
                   }),
           0);
  CHECK_EQ(as_user(1001, 1001, [] { CHECK_OK(unlink("/tmp/sticky/mine")); }), 0);
}

TEST(set_group_id_directories_hand_their_group_on) {
  CHECK_OK(mkdir("/tmp/setgid", 0777));
  CHECK_OK(chown("/tmp/setgid", 0, 2000));
  CHECK_OK(chmod("/tmp/setgid", 02777));
  CHECK_EQ(as_user(1001, 1001,
                   [] {
                     make_file("/tmp/setgid/file");
                     CHECK_OK(mkdir("/tmp/setgid/dir", 0755));
                   }),
           0);
  struct stat info;
  CHECK_OK(stat("/tmp/setgid/file", &info));
  CHECK_EQ(info.st_gid, 2000u);
  CHECK_OK(stat("/tmp/setgid/dir", &info));
  CHECK_EQ(info.st_gid, 2000u);
  CHECK(info.st_mode & S_ISGID);
}

TEST(search_and_write_permission_of_directories) {
  CHECK_OK(mkdir("/tmp/closed", 0755));
  make_file("/tmp/closed/file");
  CHECK_OK(chmod("/tmp/closed", 0744));
  CHECK_EQ(as_user(1001, 1001,
                   [] {
                     CHECK_ERRNO(open("/tmp/closed/file", O_RDONLY), EACCES);
                     CHECK_ERRNO(chdir("/tmp/closed"), EACCES);
                     close(CHECK_OK(open("/tmp/closed", O_RDONLY | O_DIRECTORY)));
                     CHECK_ERRNO(open("/tmp/closed/new", O_CREAT | O_RDWR, 0600), EACCES);
                   }),
           0);
  CHECK_OK(chmod("/tmp/closed", 0755));
  CHECK_EQ(as_user(1001, 1001,
                   [] {
                     close(CHECK_OK(open("/tmp/closed/file", O_RDONLY)));
                     CHECK_ERRNO(open("/tmp/closed/file", O_RDONLY | O_TRUNC), EACCES);
                     CHECK_ERRNO(unlink("/tmp/closed/file"), EACCES);
                     CHECK_ERRNO(chmod("/tmp/closed/file", 0666), EPERM);
                     CHECK_ERRNO(utimensat(AT_FDCWD, "/tmp/closed/file", nullptr, 0), EACCES);
                     CHECK_ERRNO(mknod("/tmp/node", S_IFCHR | 0666, makedev(1, 3)), EPERM);
                   }),
           0);
}

TEST(access_judges_by_the_real_ids) {
  make_file("/tmp/secret");
  CHECK_OK(chmod("/tmp/secret", 0600));
  CHECK_EQ(in_child([] {
             CHECK_OK(setresuid(1001, 0, 0));
             CHECK_ERRNO(access("/tmp/secret", R_OK), EACCES);
             CHECK_EQ(syscall(439 /* faccessat2 */, AT_FDCWD, "/tmp/secret", R_OK, AT_EACCESS), 0);
             close(CHECK_OK(open("/tmp/secret", O_RDONLY)));
           }),
           0);
  CHECK_ERRNO(access("/tmp/secret", X_OK), EACCES);   // root too may not run what nobody may
}

TEST(devices_are_found_by_number_wherever_their_node_is) {
  CHECK_OK(mknod("/tmp/zero", S_IFCHR | 0666, makedev(1, 5)));
  const int zero = CHECK_OK(open("/tmp/zero", O_RDONLY));
  char byte = 1;
  CHECK_EQ(read(zero, &byte, 1), 1);
  CHECK_EQ(byte, 0);
  CHECK_OK(mknod("/tmp/nobody", S_IFCHR | 0666, makedev(200, 1)));
  CHECK_ERRNO(open("/tmp/nobody", O_RDONLY), ENXIO);
}

TEST(removed_working_directory) {
  enter_new_directory("/tmp/gone");
  CHECK_OK(rmdir("/tmp/gone"));
  char name[PATH_MAX];
  CHECK(syscall(SYS_getcwd, name, sizeof name) == -1 && errno == ENOENT);
  CHECK_ERRNO(open("file", O_CREAT | O_RDWR, 0600), ENOENT);
  CHECK_ERRNO(mkdir("dir", 0755), ENOENT);
  CHECK_OK(chdir(".."));
  CHECK_EQ(static_cast<const char*>(getcwd(name, sizeof name)), "/tmp");
}

TEST(a_deep_tree_of_removed_directories_can_be_left) {
  // Whoever leaves it drops a long chain of parents at once.
  CHECK_OK(chdir("/tmp"));
  constexpr int kDepth = 3000;
  for (int i = 0; i < kDepth; i++) enter_new_directory("d");
  const int deepest = CHECK_OK(open(".", O_RDONLY | O_DIRECTORY));
  for (int i = 0; i < kDepth; i++) {
    CHECK_OK(chdir(".."));
    CHECK_OK(rmdir("d"));
  }
  close(deepest);
}
