// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// What libtine adds to the C library, and calls that have no other test file.
#include <sys/cdefs.h>
__FBSDID("$Tine$");

#include <err.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/procdesc.h>
#include <sys/sysctl.h>
#include <unistd.h>

#include "check.h"

__BEGIN_DECLS
static void __dead stop_with(int status) { _exit(status); }
__END_DECLS

namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

struct Number {
  const char* text;
  long long value;
  const char* error;
};

int status_of_pdfork(int exit_status, int& descriptor) {
  const pid_t child = pdfork(&descriptor, 0);
  if (child == 0) stop_with(exit_status);
  return child;
}

}  // namespace

TEST(sdk_strtonum) {
  constexpr Number kNumbers[] = {{"7", 7, nullptr},          {"-3", -3, nullptr},      {"10", 10, nullptr},
                                 {"11", 0, "too large"},     {"-4", 0, "too small"},   {"", 0, "invalid"},
                                 {"3x", 0, "invalid"},       {"99999999999999999999", 0, "too large"},
                                 {"-99999999999999999999", 0, "too small"}};
  for (const Number& each : kNumbers) {
    const char* error;
    errno = 0;
    CHECK_EQ(strtonum(each.text, -3, 10, &error), each.value);
    CHECK_EQ(error == nullptr, each.error == nullptr);
    if (each.error != nullptr) CHECK_EQ(error, each.error);
    CHECK_EQ(errno, each.error == nullptr ? 0 : strcmp(each.error, "invalid") == 0 ? EINVAL : ERANGE);
  }
}

TEST(sdk_program_name_and_errors) {
  CHECK_EQ(getprogname(), "sdk");
  setprogname("/usr/bin/other");
  CHECK_EQ(getprogname(), "other");
  int ends[2];
  CHECK_OK(pipe(ends));
  CHECK_EQ(in_child([&] {
    dup2(ends[1], STDERR_FILENO);
    errc(9, ENOENT, "number %d", 5);
  }), 9);
  char line[128] = {};
  CHECK(read(ends[0], line, sizeof line - 1) > 0);
  CHECK_EQ(static_cast<const char*>(line), "other: number 5: No such file or directory\n");
}

TEST(sdk_pdwait) {
  int descriptor = -1, status = -1;
  const pid_t child = status_of_pdfork(42, descriptor);
  CHECK(child > 0);
  siginfo_t info = {};
  __wrusage usage;
  CHECK_EQ(pdwait(descriptor, &status, WEXITED, &usage, &info), 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 42);
  CHECK_EQ(info.si_pid, child);
  CHECK_EQ(info.si_signo, SIGCHLD);
  CHECK_EQ(info.si_status, 42);
  CHECK(usage.wru_self.ru_maxrss > 0);
  CHECK_ERRNO(pdwait(descriptor, nullptr, WEXITED, nullptr, nullptr), ESRCH);
  CHECK_ERRNO(pdkill(descriptor, SIGTERM), ESRCH);
  CHECK_OK(close(descriptor));
}

TEST(sdk_pdwait_of_one_that_is_killed_or_still_runs) {
  int descriptor = -1, status = 77;
  const pid_t child = pdfork(&descriptor, PD_CLOEXEC);
  if (child == 0) while (true) pause();
  CHECK_EQ(fcntl(descriptor, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(pdwait(descriptor, &status, WEXITED | WNOHANG, nullptr, nullptr), 0);
  CHECK_EQ(status, 77);
  CHECK_OK(pdkill(descriptor, SIGKILL));
  CHECK_EQ(pdwait(descriptor, &status, WEXITED | WNOWAIT, nullptr, nullptr), 0);
  CHECK_EQ(pdwait(descriptor, &status, WEXITED, nullptr, nullptr), 0);
  CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST(sdk_pdwait_refuses) {
  int descriptor = -1;
  CHECK(status_of_pdfork(0, descriptor) > 0);
  CHECK_ERRNO(pdwait(descriptor, nullptr, 0, nullptr, nullptr), EINVAL);
  CHECK_ERRNO(pdwait(descriptor, nullptr, -1, nullptr, nullptr), EINVAL);
  CHECK_ERRNO(pdwait(STDERR_FILENO, nullptr, WEXITED, nullptr, nullptr), EINVAL);
  CHECK_ERRNO(pdwait(999, nullptr, WEXITED, nullptr, nullptr), EBADF);
}

TEST(sdk_pdwait_tells_what_the_childs_children_used) {
  int descriptor = -1;
  const pid_t child = pdfork(&descriptor, 0);
  if (child == 0) {
    // It is idle itself.
    in_child([] {
      for (const int64_t end = now_ns() + 100'000'000; now_ns() < end;) {
      }
    });
    _exit(0);
  }
  __wrusage usage;
  CHECK_EQ(pdwait(descriptor, nullptr, WEXITED, &usage, nullptr), 0);
  const auto used = [](const rusage& of) {
    return (of.ru_utime.tv_sec + of.ru_stime.tv_sec) * 1'000'000 + of.ru_utime.tv_usec + of.ru_stime.tv_usec;
  };
  CHECK(used(usage.wru_children) > 1000);
  CHECK(used(usage.wru_self) < used(usage.wru_children));
}

TEST(sdk_pdwait_of_a_bad_pointer) {
  void* const nowhere = mmap(nullptr, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(nowhere != MAP_FAILED);
  for (int bad = 0; bad < 3; bad++) {
    int descriptor = -1;
    CHECK(status_of_pdfork(1, descriptor) > 0);
    CHECK_ERRNO(pdwait(descriptor, bad == 0 ? static_cast<int*>(nowhere) : nullptr, WEXITED,
                       bad == 1 ? static_cast<__wrusage*>(nowhere) : nullptr,
                       bad == 2 ? static_cast<siginfo_t*>(nowhere) : nullptr),
                EFAULT);
    close(descriptor);
  }
}

TEST(sdk_a_child_with_a_descriptor_is_waited_for_by_its_pid) {
  int descriptor = -1, status = -1;
  const pid_t child = status_of_pdfork(5, descriptor);
  pollfd ended = {descriptor, POLLIN, 0};
  CHECK_EQ(poll(&ended, 1, 10'000), 1);
  CHECK_EQ(ended.revents, POLLIN | POLLHUP);
  CHECK_ERRNO(waitpid(-1, &status, 0), ECHILD);
  CHECK_EQ(waitpid(child, &status, WEXITED), child);
  CHECK_EQ(status, 5 << 8);
  CHECK_ERRNO(pdwait(descriptor, &status, WEXITED, nullptr, nullptr), ESRCH);
}

TEST(sdk_a_child_with_a_descriptor_is_not_among_any_children) {
  constexpr int kAll = 0x40000000, kClone = static_cast<int>(0x80000000);   // __WALL, __WCLONE
  int descriptor = -1;
  const pid_t child = status_of_pdfork(5, descriptor);
  for (const int options : Ints{0, kAll, kClone}) {
    CHECK_ERRNO(wait4(-1, nullptr, options, nullptr), ECHILD);
    CHECK_ERRNO(wait4(0, nullptr, options, nullptr), ECHILD);
  }
  CHECK_EQ(wait4(child, nullptr, 0, nullptr), child);
}

// By its new parent, when nobody else will wait for it.
TEST(sdk_a_child_whose_descriptor_is_closed_is_reaped_by_its_new_parent) {
  int descriptor = -1;
  const pid_t child = pdfork(&descriptor, PD_DAEMON);
  if (child == 0) stop_with(0);
  CHECK_OK(close(descriptor));
  CHECK(eventually([=] { return kill(child, 0) != 0 && errno == ESRCH; }));
}

TEST(sdk_waitpid_can_leave_the_child) {
  const pid_t child = fork();
  if (child == 0) stop_with(6);
  const int kOptions[] = {WEXITED | WNOWAIT, WNOWAIT, WEXITED | WTRAPPED};
  for (const int options : kOptions) {
    int status = -1;
    CHECK_EQ(waitpid(options & WTRAPPED ? -1 : child, &status, options), child);
    CHECK_EQ(status, 6 << 8);
  }
  CHECK_ERRNO(waitpid(child, nullptr, WNOWAIT), ECHILD);
}

TEST(sdk_memory_is_private_unless_it_is_shared) {
  const int kSharing[] = {0, MAP_PRIVATE, MAP_SHARED};
  for (const int sharing : kSharing) {
    auto* const memory = static_cast<char*>(mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_ANON | sharing, -1, 0));
    CHECK(memory != MAP_FAILED);
    CHECK_EQ(in_child([&] { *memory = 1; }), 0);
    CHECK_EQ(int{*memory}, sharing == MAP_SHARED ? 1 : 0);
  }
  CHECK(mmap(nullptr, 4096, PROT_NONE, MAP_GUARD, -1, 0) != MAP_FAILED);
}

TEST(sdk_annotations) {
  int unused __unused = 1;
  const int numbers[] = {1, 2, 3};
  CHECK_EQ(nitems(numbers), 3u);
  CHECK(__predict_true(numbers[0] == 1));
}

TEST(C17_minherit_gives_a_child_a_copy_of_shared_memory_or_a_share_of_private) {
  constexpr size_t kSize = size_t{32} << 40, kMiddle = kSize / 2;  // not a step for each page that there could be
  const auto map = [](int flags) {
    return static_cast<char*>(mmap(nullptr, kSize, kReadWrite, flags | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  };
  char* const shared = map(MAP_SHARED);
  CHECK(shared != MAP_FAILED);
  shared[kMiddle] = 's';
  CHECK_OK(minherit(shared, kSize, INHERIT_COPY));
  const auto change_copy = [&] {
    CHECK_EQ(shared[kMiddle], 's');
    CHECK_EQ(shared[0], 0);
    shared[kMiddle] = 'c';
  };
  CHECK_EQ(in_child(change_copy), 0);
  CHECK_EQ(shared[kMiddle], 's');
  CHECK_OK(munmap(shared, kSize));

  char* const own = map(MAP_PRIVATE);
  CHECK(own != MAP_FAILED);
  own[kMiddle] = 'o';
  CHECK_OK(minherit(own, kSize, INHERIT_SHARE));
  CHECK_EQ(own[kMiddle], 'o');
  CHECK_EQ(in_child([&] { own[kMiddle] = 'c'; }), 0);
  CHECK_EQ(own[kMiddle], 'c');
}

TEST(C17_minherit_shares_a_private_mapping_of_a_file_with_what_was_written_to_it) {
  constexpr size_t kPage = 4096;
  const int file = CHECK_OK(open("/tmp/inherited", O_RDWR | O_CREAT | O_TRUNC, 0600));
  CHECK_OK(unlink("/tmp/inherited"));
  CHECK_EQ(pwrite(file, "first", 5, 0), 5);
  CHECK_EQ(pwrite(file, "third", 5, 2 * kPage), 5);
  auto* const at = static_cast<char*>(mmap(nullptr, 3 * kPage, kReadWrite, MAP_PRIVATE, file, 0));
  CHECK(at != MAP_FAILED);
  at[0] = 'F';
  CHECK_OK(minherit(at, 3 * kPage, INHERIT_SHARE));
  CHECK_EQ(in_child([&] { at[1] = 'I', at[kPage] = 's', at[2 * kPage] = 'T'; }), 0);
  CHECK_EQ(at[0], 'F');
  CHECK_EQ(at[1], 'I');
  CHECK_EQ(at[kPage], 's');
  CHECK_EQ(at[2 * kPage], 'T');
  CHECK_EQ(at[2 * kPage + 1], 'h');
  char now[2];
  CHECK_EQ(pread(file, now, 1, 2 * kPage), 1);
  CHECK_EQ(now[0], 't');
}

TEST(mremap_of_much_untouched_memory_takes_no_time) {
  constexpr size_t kSize = size_t{32} << 40;
  auto* const at = static_cast<char*>(mmap(nullptr, kSize, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  CHECK(at != MAP_FAILED);
  at[0] = at[kSize - 1] = 'u';
  CHECK(mmap(at + kSize, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED);  // so that it must move
  timespec before, after;
  CHECK_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before));
  auto* const moved = static_cast<char*>(mremap(at, kSize, kSize + 4096, MREMAP_MAYMOVE));
  CHECK_OK(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after));
  CHECK(moved != MAP_FAILED && moved != at);
  CHECK_EQ(moved[0], 'u');
  CHECK_EQ(moved[kSize - 1], 'u');
  CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1'000'000 < 1000);
}
