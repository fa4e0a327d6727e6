// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// unveil(2): what is not in sight is not there. Row C9.
#include "check.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/un.h>

namespace {

// A tree of its own for a case, in a child whose view of it is then restricted:
// /tmp/veil/seen/{file, inner/file}, /tmp/veil/hidden/{file, inner/file}
template <class Body>
void in_tree(Body body) {
  CHECK_EQ(in_child([] {
    if (access("/tmp/veil", F_OK) == 0) {
      char* const arguments[] = {const_cast<char*>("rm"), const_cast<char*>("-rf"), const_cast<char*>("/tmp/veil"), nullptr};
      execve("/bin/rm", arguments, arguments + 3);
    }
  }), 0);
  CHECK_OK(mkdir("/tmp/veil", 0700));
  static const char* const folders[] = {"/tmp/veil/seen", "/tmp/veil/hidden"};
  for (const char* folder : folders) {
    char path[64];
    CHECK_OK(mkdir(folder, 0700));
    snprintf(path, sizeof path, "%s/inner", folder);
    CHECK_OK(mkdir(path, 0700));
    snprintf(path, sizeof path, "%s/file", folder);
    close(CHECK_OK(open(path, O_CREAT | O_WRONLY, 0600)));
    snprintf(path, sizeof path, "%s/inner/file", folder);
    close(CHECK_OK(open(path, O_CREAT | O_WRONLY, 0600)));
  }
  CHECK_EQ(in_child(body), 0);
}

bool opens(const char* path, int flags = O_RDONLY) {
  const int file = open(path, flags, 0600);
  if (file >= 0) close(file);
  return file >= 0;
}

sockaddr_un address_of(const char* path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  strcpy(address.sun_path, path);
  return address;
}

int run(const char* path) {
  char* const arguments[] = {const_cast<char*>(path), nullptr};
  return execve(path, arguments, arguments + 1);
}

}  // namespace

// --- Rules ---

TEST(C9_only_what_was_unveiled_is_in_sight) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen", "r"));
    CHECK(opens("/tmp/veil/seen/file"));
    CHECK(opens("/tmp/veil/seen/inner/file"));
    CHECK(opens("/tmp/veil/seen", O_RDONLY | O_DIRECTORY));
    CHECK_ERRNO(open("/tmp/veil/hidden/file", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/tmp/veil/hidden", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/tmp/veil", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/etc/passwd", O_RDONLY), ENOENT);
    struct stat status;
    CHECK_ERRNO(stat("/tmp/veil/hidden", &status), ENOENT);
    CHECK_ERRNO(lstat("/tmp/veil/hidden/file", &status), ENOENT);
    CHECK_ERRNO(access("/tmp/veil/hidden", F_OK), ENOENT);
    CHECK_ERRNO(chdir("/tmp/veil/hidden"), ENOENT);
    CHECK_ERRNO(open("/tmp/veil/seen/none", O_RDONLY), ENOENT);
  });
}

// OpenBSD's statfs(2) looks past it, as df(1) needs.
TEST(C9_statfs_sees_what_is_hidden) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen", "x"));
    struct statfs numbers;
    static const char* const places[] = {"/", "/tmp", "/tmp/veil/seen/file", "/tmp/veil/hidden", "/tmp/veil/hidden/inner/file"};
    for (const char* place : places) CHECK_OK(statfs(place, &numbers));
    CHECK_ERRNO(statfs("/tmp/veil/nowhere", &numbers), ENOENT);
    CHECK_ERRNO(open("/tmp/veil/hidden", O_PATH), ENOENT);
  });
}

TEST(C9_permissions_say_what_for) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen", "r"));
    CHECK_OK(unveil("/tmp/veil/hidden", "wc"));
    CHECK_ERRNO(open("/tmp/veil/seen/file", O_WRONLY), EACCES);
    CHECK_ERRNO(open("/tmp/veil/seen/file", O_RDWR), EACCES);
    CHECK_ERRNO(open("/tmp/veil/seen/new", O_RDONLY | O_CREAT, 0600), EACCES);
    CHECK_ERRNO(truncate("/tmp/veil/seen/file", 0), EACCES);
    CHECK_ERRNO(chmod("/tmp/veil/seen/file", 0644), EACCES);
    CHECK_ERRNO(unlink("/tmp/veil/seen/file"), EACCES);
    CHECK_ERRNO(mkdir("/tmp/veil/seen/new", 0700), EACCES);
    CHECK_ERRNO(rmdir("/tmp/veil/seen/inner"), EACCES);
    CHECK_ERRNO(symlink("x", "/tmp/veil/seen/new"), EACCES);
    CHECK_ERRNO(mkfifo("/tmp/veil/seen/new", 0600), EACCES);
    CHECK(opens("/tmp/veil/hidden/file", O_WRONLY));
    CHECK(opens("/tmp/veil/hidden/new", O_WRONLY | O_CREAT));
    CHECK_OK(unlink("/tmp/veil/hidden/new"));
    CHECK_ERRNO(open("/tmp/veil/hidden/file", O_RDONLY), EACCES);
  });
}

TEST(C9_x_is_for_running) {
  CHECK_EQ(in_child([] {
    CHECK_OK(unveil("/bin", "r"));
    CHECK_ERRNO(run("/bin/true"), EACCES);
    CHECK_OK(unveil("/bin", "x"));
    CHECK_EQ(in_child([] { run("/bin/true"); _exit(9); }), 0);
    CHECK_ERRNO(open("/bin/true", O_RDONLY), EACCES);
    CHECK_ERRNO(run("/tmp/nothing"), ENOENT);
  }), 0);
}

TEST(C9_closest_rule_counts) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen", "rwc"));
    CHECK_OK(unveil("/tmp/veil/seen/inner", "r"));
    CHECK_OK(unveil("/tmp/veil/seen/file", ""));
    CHECK(opens("/tmp/veil/seen/inner/file"));
    CHECK_ERRNO(open("/tmp/veil/seen/inner/file", O_WRONLY), EACCES);
    CHECK_ERRNO(open("/tmp/veil/seen/file", O_RDONLY), ENOENT);
    CHECK(opens("/tmp/veil/seen/other", O_WRONLY | O_CREAT));
  });
}

TEST(C9_last_rule_for_a_path_counts) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen", "r"));
    CHECK_ERRNO(open("/tmp/veil/seen/file", O_WRONLY), EACCES);
    CHECK_OK(unveil("/tmp/veil/../veil/seen/", "rw"));
    CHECK(opens("/tmp/veil/seen/file", O_WRONLY));
  });
}

TEST(C9_files_are_remembered_by_name) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen/file", "rwc"));
    CHECK_OK(unveil("/tmp/veil/seen/later", "rwc"));
    CHECK_OK(unlink("/tmp/veil/seen/file"));
    CHECK_ERRNO(open("/tmp/veil/seen/file", O_RDONLY), ENOENT);
    CHECK(opens("/tmp/veil/seen/file", O_WRONLY | O_CREAT));
    CHECK(opens("/tmp/veil/seen/later", O_WRONLY | O_CREAT | O_EXCL));
    CHECK(opens("/tmp/veil/seen/later"));
    CHECK_ERRNO(open("/tmp/veil/seen/later", O_WRONLY | O_CREAT | O_EXCL, 0600), EEXIST);
    CHECK_ERRNO(open("/tmp/veil/seen/inner/file", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/tmp/veil/seen/third", O_WRONLY | O_CREAT, 0600), ENOENT);
    CHECK_ERRNO(open("/tmp/veil/seen/inner", O_WRONLY | O_CREAT | O_EXCL, 0600), ENOENT);
  });
}

TEST(C9_directories_are_remembered_themselves) {
  in_tree([] {
    const pid_t parent = getpid();
    (void)parent;
    static Gate removed, unveiled;
    const pid_t child = start_child([] {
      CHECK_OK(unveil("/tmp/veil/seen/inner", "r"));
      unveiled.open();
      removed.wait();
      CHECK_ERRNO(open("/tmp/veil/seen/inner", O_RDONLY), ENOENT);
      CHECK(opens("/tmp/veil/moved/file"));
    });
    unveiled.wait();
    CHECK_OK(rename("/tmp/veil/seen/inner", "/tmp/veil/moved"));
    CHECK_OK(mkdir("/tmp/veil/seen/inner", 0700));
    removed.open();
    CHECK_EQ(wait_for(child), 0);
  });
}

// --- Ways around ---

TEST(C9_way_to_a_place_does_not_matter) {
  in_tree([] {
    CHECK_OK(symlink("/tmp/veil/hidden/file", "/tmp/veil/seen/link"));
    CHECK_OK(symlink("/tmp/veil/seen/file", "/tmp/veil/hidden/link"));
    const int hidden = CHECK_OK(open("/tmp/veil/hidden", O_RDONLY | O_DIRECTORY));
    const int seen = CHECK_OK(open("/tmp/veil/seen", O_RDONLY | O_DIRECTORY));
    CHECK_OK(chdir("/tmp/veil/hidden/inner"));
    CHECK_OK(unveil("/tmp/veil/seen", "rc"));

    CHECK_ERRNO(open("/tmp/veil/seen/link", O_RDONLY), ENOENT);
    char text[64];
    CHECK_OK(readlink("/tmp/veil/seen/link", text, sizeof text));
    CHECK(opens("/tmp/veil/hidden/link"));
    CHECK_ERRNO(readlink("/tmp/veil/hidden/link", text, sizeof text), ENOENT);
    CHECK_ERRNO(open("/tmp/veil/seen/../hidden/file", O_RDONLY), ENOENT);
    CHECK(opens("/tmp/veil/hidden/../seen/file"));
    CHECK(opens("../../seen/file"));
    CHECK_ERRNO(open("file", O_RDONLY), ENOENT);
    CHECK_ERRNO(openat(hidden, "file", O_RDONLY), ENOENT);
    CHECK_OK(openat(seen, "file", O_RDONLY));
    CHECK_ERRNO(openat(seen, "../hidden/file", O_RDONLY), ENOENT);
    CHECK_OK(fchdir(hidden));   // what is open stays open
    CHECK_ERRNO(open("file", O_RDONLY), ENOENT);
  });
}

TEST(C9_proc_shows_no_way_around) {
  in_tree([] {
    const int hidden = CHECK_OK(open("/tmp/veil/hidden/file", O_RDONLY));
    CHECK_OK(chdir("/tmp/veil/hidden"));
    CHECK_OK(unveil("/proc", "r"));
    CHECK(opens("/proc/self/status"));
    CHECK(opens("/proc/meminfo"));
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", hidden);
    CHECK_ERRNO(open(path, O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/proc/self/cwd/file", O_RDONLY), ENOENT);
    CHECK_ERRNO(open("/proc/self/root/etc/passwd", O_RDONLY), ENOENT);
  });
  CHECK_EQ(in_child([] {
    CHECK_OK(unveil("/proc/self/status", "r"));
    CHECK(opens("/proc/self/status"));
    CHECK_ERRNO(open("/proc/self/stat", O_RDONLY), ENOENT);
  }), 0);
}

TEST(C9_names_do_not_carry_permissions_over) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen", "r"));
    CHECK_OK(unveil("/tmp/veil/hidden/inner", "rwc"));
    CHECK_ERRNO(link("/tmp/veil/seen/file", "/tmp/veil/hidden/inner/new"), EACCES);
    CHECK_ERRNO(rename("/tmp/veil/seen/file", "/tmp/veil/hidden/inner/new"), EACCES);
    CHECK_ERRNO(rename("/tmp/veil/hidden/inner/file", "/tmp/veil/seen/new"), EACCES);
    CHECK_ERRNO(rename("/tmp/veil/hidden/file", "/tmp/veil/hidden/inner/new"), ENOENT);
    CHECK_ERRNO(rename("/tmp/veil/hidden/inner/file", "/tmp/veil/hidden/new"), ENOENT);
    CHECK_ERRNO(link("/tmp/veil/hidden/file", "/tmp/veil/hidden/inner/new"), ENOENT);
    CHECK_OK(rename("/tmp/veil/hidden/inner/file", "/tmp/veil/hidden/inner/new"));
    CHECK_OK(link("/tmp/veil/hidden/inner/new", "/tmp/veil/hidden/inner/second"));
  });
}

TEST(C9_local_sockets_obey) {
  in_tree([] {
    const sockaddr_un hidden = address_of("/tmp/veil/hidden/socket"), seen = address_of("/tmp/veil/seen/socket");
    const int server = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_OK(bind(server, reinterpret_cast<const sockaddr*>(&hidden), sizeof hidden));
    CHECK_OK(listen(server, 1));
    CHECK_OK(unveil("/tmp/veil/seen", "rwc"));
    const int other = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0)), third = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
    CHECK_ERRNO(connect(other, reinterpret_cast<const sockaddr*>(&hidden), sizeof hidden), ENOENT);
    CHECK_OK(bind(other, reinterpret_cast<const sockaddr*>(&seen), sizeof seen));
    CHECK_OK(listen(other, 1));
    CHECK_OK(connect(third, reinterpret_cast<const sockaddr*>(&seen), sizeof seen));
    const int fourth = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
    const sockaddr_un new_hidden = address_of("/tmp/veil/hidden/other");
    CHECK_ERRNO(bind(fourth, reinterpret_cast<const sockaddr*>(&new_hidden), sizeof new_hidden), ENOENT);
  });
}

// --- The call ---

TEST(C9_lock_ends_unveiling) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen", "r"));
    CHECK_OK(unveil("/tmp/veil/hidden/file", "r"));   // it sees everything itself
    CHECK_OK(unveil(nullptr, nullptr));
    CHECK_ERRNO(unveil("/tmp/veil/hidden", "r"), EPERM);
    CHECK_ERRNO(unveil(nullptr, nullptr), EPERM);
    CHECK(opens("/tmp/veil/hidden/file"));
  });
}

TEST(C9_lock_alone_hides_nothing) {
  CHECK_EQ(in_child([] {
    CHECK_OK(unveil(nullptr, nullptr));
    CHECK(opens("/etc/passwd"));
    CHECK_ERRNO(unveil("/tmp", "r"), EPERM);
    CHECK(opens("/etc/passwd"));
  }), 0);
}

TEST(C9_bad_arguments_are_refused_and_hide_nothing) {
  CHECK_EQ(in_child([] {
    CHECK_ERRNO(unveil("/tmp", "rz"), EINVAL);
    CHECK_ERRNO(unveil("/tmp/none/none", "r"), ENOENT);
    CHECK_ERRNO(unveil("", "r"), ENOENT);
    CHECK_ERRNO(unveil(nullptr, "r"), EFAULT);
    CHECK_ERRNO(unveil("/tmp", nullptr), EFAULT);
    CHECK(opens("/etc/passwd"));
  }), 0);
}

TEST(C9_there_is_a_most) {
  in_tree([] {
    char path[64];
    for (int i = 0; i < 128; ++i) {
      snprintf(path, sizeof path, "/tmp/veil/seen/n%d", i);
      CHECK_OK(unveil(path, "rwc"));
    }
    CHECK_ERRNO(unveil("/tmp/veil/hidden", "r"), E2BIG);
    CHECK_OK(unveil(path, "rwc"));
    CHECK(opens(path, O_WRONLY | O_CREAT));
  });
}

TEST(C9_unveil_is_a_promise) {
  CHECK_EQ(in_child([] {
    CHECK_OK(pledge("stdio rpath unveil", nullptr));
    CHECK_OK(unveil("/tmp", "r"));
    CHECK_OK(pledge("stdio rpath", nullptr));
    CHECK_ERRNO(open("/etc/passwd", O_RDONLY), ENOENT);
    CHECK(opens("/tmp", O_RDONLY));
    unveil("/etc", "r");
  }), 128 + SIGABRT);
}

TEST(C9_promises_that_cover_files_by_name_need_no_unveiling) {
  CHECK_EQ(in_child([] {
    CHECK_OK(unveil("/tmp", "r"));
    CHECK_OK(pledge("stdio rpath getpw", nullptr));
    CHECK(opens("/etc/passwd"));
    CHECK(opens("/dev/null"));
    CHECK_ERRNO(open("/etc/shadow", O_RDONLY), ENOENT);
  }), 0);
}

// --- Fork, threads, exec ---

TEST(C9_fork_copies_the_table) {
  in_tree([] {
    CHECK_OK(unveil("/tmp/veil/seen", "r"));
    CHECK_EQ(in_child([] {
      CHECK(opens("/tmp/veil/seen/file"));
      CHECK_ERRNO(open("/tmp/veil/hidden/file", O_RDONLY), ENOENT);
      CHECK_OK(unveil("/tmp/veil/hidden", "r"));   // the child's alone
      CHECK(opens("/tmp/veil/hidden/file"));
      CHECK_OK(unveil(nullptr, nullptr));
    }), 0);
    CHECK_ERRNO(open("/tmp/veil/hidden/file", O_RDONLY), ENOENT);
    static Gate go;
    const pid_t child = start_child([] {
      go.wait();
      CHECK_ERRNO(open("/tmp/veil/hidden/file", O_RDONLY), ENOENT);
    });
    CHECK_OK(unveil("/tmp/veil/hidden", "r"));     // the parent's alone
    go.open();
    CHECK_EQ(wait_for(child), 0);
    CHECK(opens("/tmp/veil/hidden/file"));
    CHECK_OK(unveil(nullptr, nullptr));
    CHECK_EQ(in_child([] { CHECK_ERRNO(unveil("/", "r"), EPERM); }), 0);
  });
}

TEST(C9_threads_share_the_table) {
  static Gate go, ready;
  CHECK_EQ(in_child([] {
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, nullptr, [](void*) -> void* {
      ready.open();
      go.wait();
      CHECK_ERRNO(open("/etc/passwd", O_RDONLY), ENOENT);
      CHECK_OK(unveil("/etc", "r"));
      return nullptr;
    }, nullptr), 0);
    ready.wait();
    CHECK_OK(unveil("/tmp", "r"));
    go.open();
    CHECK_EQ(pthread_join(thread, nullptr), 0);
    CHECK(opens("/etc/passwd"));
  }), 0);
}

TEST(C9_exec_shows_everything_again_without_execpromises) {
  const auto cat = [](const char* execpromises) {
    return in_child([&] {
      const int silence = CHECK_OK(open("/dev/null", O_WRONLY));
      dup2(silence, STDOUT_FILENO);
      dup2(silence, STDERR_FILENO);
      CHECK_OK(unveil("/bin", "x"));
      CHECK_OK(unveil("/tmp", "r"));
      CHECK_OK(unveil(nullptr, nullptr));
      CHECK_OK(pledge(nullptr, execpromises));
      char* const arguments[] = {const_cast<char*>("/bin/cat"), const_cast<char*>("/etc/passwd"), nullptr};
      execve(arguments[0], arguments, arguments + 2);
    });
  };
  CHECK_EQ(cat(nullptr), 0);
  CHECK_EQ(cat("stdio rpath wpath cpath"), 1);
}

TEST(C9_hidden_mounts_and_roots_stay_usable) {
  in_tree([] {
    CHECK_OK(unshare(CLONE_FS));
    CHECK_OK(unveil("/tmp/veil/seen", "r"));
    CHECK_OK(chroot("/tmp/veil/seen"));
    CHECK(opens("/file"));
    CHECK(opens("/inner/file"));
  });
}

TEST(C9_no_memory_hides_nothing) {
  if (access("/proc/self/fail-nth", W_OK) != 0) SKIP("no fault injection in this kernel");
  CHECK_EQ(in_child([] {
    const int injector = CHECK_OK(open("/proc/self/fail-nth", O_RDWR));
    int failures = 0;
    for (int n = 1; n < 50; ++n) {
      char number[8];
      const int size = snprintf(number, sizeof number, "%d", n);
      CHECK_EQ(pwrite(injector, number, static_cast<size_t>(size), 0), size);
      const long result = syscall(SYS_gettid) < 0 ? 0 : unveil("/tmp", "r");
      const int error = errno;
      CHECK_OK(pwrite(injector, "0", 1, 0));
      if (result == 0) break;
      CHECK_EQ(error, ENOMEM);
      CHECK(opens("/etc/passwd"));
      ++failures;
    }
    CHECK(failures > 0);
    CHECK_ERRNO(open("/etc/passwd", O_RDONLY), ENOENT);
  }), 0);
}
