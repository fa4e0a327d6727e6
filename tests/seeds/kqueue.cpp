// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// kqueue(2): each filter with its flags, as programs written for the BSDs expect them.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/event.h>
#include <sys/procdesc.h>
#include <sys/stat.h>

#include "check.h"

namespace {

const timespec kNow = {};

void change(int kq, uintptr_t ident, short filter, unsigned short flags, unsigned fflags = 0, int64_t data = 0,
            void* udata = nullptr) {
  struct kevent event;
  EV_SET(&event, ident, filter, flags, fflags, data, udata);
  CHECK_EQ(kevent(kq, &event, 1, nullptr, 0, nullptr), 0);
}

// The error of a change, by way of a receipt.
int error_of(int kq, uintptr_t ident, short filter, unsigned short flags, unsigned fflags = 0, int64_t data = 0) {
  struct kevent event, receipt = {};
  EV_SET(&event, ident, filter, flags | EV_RECEIPT, fflags, data, nullptr);
  CHECK_EQ(kevent(kq, &event, 1, &receipt, 1, &kNow), 1);
  CHECK_EQ(receipt.flags, EV_ERROR);
  return static_cast<int>(receipt.data);
}

// The next event within so many milliseconds; its filter is 0 if there is none.
struct kevent next(int kq, long milliseconds = 5000) {
  struct kevent event = {};
  const timespec timeout = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  CHECK(kevent(kq, nullptr, 0, &event, 1, &timeout) >= 0);
  return event;
}
bool quiet(int kq) { return next(kq, 0).filter == 0; }

int temporary_file(const char* path) { return CHECK_OK(open(path, O_CREAT | O_RDWR | O_TRUNC, 0600)); }

}  // namespace

TEST(kqueue_is_closed_in_a_forked_child) {
  const int kq = CHECK_OK(kqueue());
  CHECK_EQ(in_child([&] {
    struct stat status;
    CHECK_ERRNO(fstat(kq, &status), EBADF);
    struct kevent event;
    CHECK_ERRNO(kevent(kq, nullptr, 0, &event, 1, &kNow), EBADF);
    CHECK_ERRNO(close(kq), EBADF);
    CHECK_ERRNO(close(kq), EBADF);
  }), 0);
  struct stat status;
  CHECK_OK(fstat(kq, &status));
  CHECK_OK(close(kq));
}

TEST(kqueue1_flags) {
  const int kq = CHECK_OK(kqueue1(O_CLOEXEC));
  CHECK_EQ(fcntl(kq, F_GETFD), FD_CLOEXEC);
  CHECK_EQ(fcntl(CHECK_OK(kqueue()), F_GETFD), 0);
  CHECK_ERRNO(kqueue1(O_APPEND), EINVAL);
}

TEST(kqueue_is_readable_itself_when_it_has_events) {
  const int kq = CHECK_OK(kqueue());
  pollfd poller = {.fd = kq, .events = POLLIN, .revents = 0};
  change(kq, 1, EVFILT_USER, EV_ADD);
  CHECK_EQ(poll(&poller, 1, 0), 0);
  change(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER);
  CHECK_EQ(poll(&poller, 1, 1000), 1);
}

TEST(kqueue_errors_without_room_end_the_call) {
  const int kq = CHECK_OK(kqueue());
  struct kevent changes[2];
  EV_SET(&changes[0], 1, EVFILT_USER, EV_DELETE, 0, 0, nullptr);   // there is none
  EV_SET(&changes[1], 2, EVFILT_USER, EV_ADD, NOTE_TRIGGER, 0, nullptr);
  CHECK_ERRNO(kevent(kq, changes, 2, nullptr, 0, nullptr), ENOENT);
  CHECK(quiet(kq));   // the second was not reached
  struct kevent events[2];
  CHECK_EQ(kevent(kq, changes, 2, events, 2, &kNow), 1);
  CHECK_EQ(events[0].flags, EV_ERROR);
  CHECK_EQ(events[0].data, ENOENT);
  CHECK_EQ(next(kq).ident, 2u);
  CHECK_EQ(error_of(kq, 999, EVFILT_READ, EV_ADD), EBADF);
  CHECK_EQ(error_of(kq, 1, 99, EV_ADD), EINVAL);
}

TEST(kqueue_events_that_cannot_be_stored_come_again) {
  const int kq = CHECK_OK(kqueue());
  change(kq, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
  change(kq, 2, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER);
  const size_t page = static_cast<size_t>(getpagesize());
  char* const pages = static_cast<char*>(mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANON, -1, 0));
  CHECK(pages != MAP_FAILED);
  CHECK_OK(munmap(pages + page, page));
  auto* const events = reinterpret_cast<struct kevent*>(pages + page) - 1;   // room for one
  CHECK_EQ(kevent(kq, nullptr, 0, events, 2, &kNow), 1);
  CHECK_EQ(events[0].ident, 1u);
  CHECK_ERRNO(kevent(kq, nullptr, 0, events + 1, 1, &kNow), EFAULT);
  struct kevent both[2];
  CHECK_EQ(kevent(kq, nullptr, 0, both, 2, &kNow), 2);
}

TEST(kqueue_dispatch_oneshot_and_udata) {
  const int kq = CHECK_OK(kqueue());
  int here, there;
  change(kq, 1, EVFILT_USER, EV_ADD | EV_DISPATCH, NOTE_TRIGGER, 0, &here);
  CHECK_EQ(next(kq).udata, static_cast<void*>(&here));
  CHECK(quiet(kq));   // disabled by the report
  change(kq, 1, EVFILT_USER, EV_ENABLE | EV_KEEPUDATA, 0, 0, &there);
  CHECK_EQ(next(kq).udata, static_cast<void*>(&here));
  change(kq, 1, EVFILT_USER, EV_DELETE);
  change(kq, 2, EVFILT_USER, EV_ADD | EV_ONESHOT, NOTE_TRIGGER);
  CHECK_EQ(next(kq).ident, 2u);
  CHECK_EQ(error_of(kq, 2, EVFILT_USER, EV_DELETE), ENOENT);
}

TEST(kqueue_user_flags_and_clearing) {
  const int kq = CHECK_OK(kqueue());
  change(kq, 1, EVFILT_USER, EV_ADD, 0xf0);
  change(kq, 1, EVFILT_USER, 0, NOTE_FFOR | 0x0f);
  change(kq, 1, EVFILT_USER, 0, NOTE_FFAND | 0x3c);
  CHECK(quiet(kq));
  change(kq, 1, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFNOP | 0x1);
  CHECK_EQ(next(kq).fflags, 0x3cu);
  CHECK_EQ(next(kq).fflags, 0x3cu);   // until it is cleared
  change(kq, 1, EVFILT_USER, EV_CLEAR);
  CHECK(quiet(kq));
}

TEST(kqueue_knotes_without_a_file_are_bounded) {
  const int kq = CHECK_OK(kqueue());
  static struct kevent changes[1024];
  uintptr_t made = 0;
  while (true) {
    for (struct kevent& each : changes) EV_SET(&each, made++, EVFILT_USER, EV_ADD, 0, 0, nullptr);
    if (kevent(kq, changes, 1024, nullptr, 0, nullptr) == 0) {
      CHECK(made < 1 << 20);
      continue;
    }
    CHECK_EQ(errno, ENOMEM);
    break;
  }
  CHECK_EQ(error_of(kq, made, EVFILT_USER, EV_ADD), ENOMEM);
  change(kq, 0, EVFILT_USER, EV_DELETE);
  change(kq, made, EVFILT_USER, EV_ADD);
}

TEST(kqueue_fast_timers_leave_time_for_programs) {
  const int kq = CHECK_OK(kqueue());
  for (uintptr_t timer = 0; timer < 50; timer++) change(kq, timer, EVFILT_TIMER, EV_ADD, NOTE_NSECONDS, 1);
  const int64_t before = now_ns();
  while (now_ns() - before < 50'000'000) CHECK(next(kq).data >= 1);
  close(kq);
}

TEST(kqueue_timer_units) {
  struct Case {
    unsigned unit;
    int64_t data;
  };
  constexpr Case kCases[] = {{0, 20}, {NOTE_MSECONDS, 20}, {NOTE_USECONDS, 20'000}, {NOTE_NSECONDS, 20'000'000}};
  for (const Case& each : kCases) {
    const int kq = CHECK_OK(kqueue());
    const int64_t before = now_ns();
    change(kq, 7, EVFILT_TIMER, EV_ADD | EV_ONESHOT, each.unit, each.data);
    const struct kevent event = next(kq);
    CHECK_EQ(event.filter, EVFILT_TIMER);
    CHECK_EQ(event.ident, 7u);
    CHECK(event.data >= 1);
    CHECK(now_ns() - before >= 20'000'000);
    CHECK(next(kq, 60).filter == 0);
    close(kq);
  }
  const int kq = CHECK_OK(kqueue());
  const int64_t before = now_ns();
  timespec wall;
  clock_gettime(CLOCK_REALTIME, &wall);
  change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME | NOTE_MSECONDS, wall.tv_sec * 1000 + wall.tv_nsec / 1'000'000 + 30);
  CHECK_EQ(next(kq).data, 1);
  CHECK(now_ns() - before >= 25'000'000);
  CHECK(next(kq, 60).filter == 0);   // once
  CHECK_EQ(error_of(kq, 2, EVFILT_TIMER, EV_ADD, NOTE_SECONDS | NOTE_MSECONDS, 1), EINVAL);
  CHECK_EQ(error_of(kq, 2, EVFILT_TIMER, EV_ADD, 0, -1), EINVAL);
}

TEST(kqueue_read_low_water_and_write) {
  const int kq = CHECK_OK(kqueue());
  int ends[2];
  CHECK_OK(pipe2(ends, O_NONBLOCK));
  change(kq, ends[0], EVFILT_READ, EV_ADD | EV_CLEAR, NOTE_LOWAT, 4);
  CHECK_EQ(write(ends[1], "abc", 3), 3);
  CHECK(quiet(kq));
  CHECK_EQ(write(ends[1], "d", 1), 1);
  CHECK_EQ(next(kq).data, 4);
  CHECK(quiet(kq));
  change(kq, ends[0], EVFILT_READ, EV_DELETE);
  change(kq, ends[1], EVFILT_WRITE, EV_ADD);
  CHECK(next(kq).data > 0);
  char block[4096] = {};
  while (write(ends[1], block, sizeof block) > 0) {}
  CHECK(quiet(kq));
  while (read(ends[0], block, sizeof block) > 0) {}
  CHECK_EQ(next(kq).filter, EVFILT_WRITE);
  close(ends[0]);
  const struct kevent event = next(kq);
  CHECK(event.flags & EV_EOF);
}

TEST(kqueue_read_of_a_regular_file_and_its_end) {
  const int kq = CHECK_OK(kqueue());
  const int file = temporary_file("/tmp/kq_read");
  CHECK_EQ(write(file, "12345", 5), 5);
  CHECK_EQ(lseek(file, 2, SEEK_SET), 2);
  change(kq, file, EVFILT_READ, EV_ADD);
  CHECK_EQ(next(kq).data, 3);
  CHECK_EQ(lseek(file, 0, SEEK_END), 5);
  CHECK(quiet(kq));
  change(kq, file, EVFILT_READ, EV_ADD, NOTE_EOF);
  const struct kevent event = next(kq);
  CHECK_EQ(event.data, 0);
  CHECK_EQ(event.fflags, static_cast<unsigned>(NOTE_EOF));
}

TEST(kqueue_vnode_events) {
  const int kq = CHECK_OK(kqueue());
  const int file = temporary_file("/tmp/kq_vnode");
  unlink("/tmp/kq_vnode2");
  constexpr unsigned kAll =
      NOTE_DELETE | NOTE_WRITE | NOTE_EXTEND | NOTE_ATTRIB | NOTE_LINK | NOTE_RENAME | NOTE_REVOKE | NOTE_TRUNCATE;
  change(kq, file, EVFILT_VNODE, EV_ADD | EV_CLEAR, kAll);
  CHECK_EQ(write(file, "12345", 5), 5);
  CHECK_EQ(next(kq).fflags, static_cast<unsigned>(NOTE_WRITE | NOTE_EXTEND));
  CHECK_EQ(pwrite(file, "x", 1, 0), 1);
  CHECK_EQ(next(kq).fflags, static_cast<unsigned>(NOTE_WRITE));
  CHECK_OK(ftruncate(file, 2));
  CHECK(next(kq).fflags & NOTE_TRUNCATE);
  CHECK_OK(fchmod(file, 0640));
  CHECK_EQ(next(kq).fflags, static_cast<unsigned>(NOTE_ATTRIB));
  CHECK_OK(link("/tmp/kq_vnode", "/tmp/kq_vnode2"));
  CHECK(next(kq).fflags & NOTE_LINK);
  CHECK_OK(unlink("/tmp/kq_vnode2"));
  CHECK(!quiet(kq));
  CHECK_OK(rename("/tmp/kq_vnode", "/tmp/kq_vnode2"));
  CHECK(next(kq).fflags & NOTE_RENAME);
  CHECK_OK(unlink("/tmp/kq_vnode2"));
  CHECK(next(kq).fflags & NOTE_DELETE);
}

TEST(kqueue_vnode_events_outlast_changes_of_their_knote) {
  const int kq = CHECK_OK(kqueue());
  const int file = temporary_file("/tmp/kq_vnode");
  change(kq, file, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE);
  change(kq, file, EVFILT_VNODE, EV_DISABLE, NOTE_WRITE);
  CHECK_EQ(write(file, "1", 1), 1);
  CHECK(quiet(kq));
  change(kq, file, EVFILT_VNODE, EV_ENABLE, NOTE_WRITE);
  CHECK_EQ(next(kq, 0).fflags, static_cast<unsigned>(NOTE_WRITE));
  CHECK(quiet(kq));
  CHECK_EQ(write(file, "2", 1), 1);
  change(kq, file, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE);
  CHECK_EQ(next(kq, 0).fflags, static_cast<unsigned>(NOTE_WRITE));
  CHECK(quiet(kq));
}

TEST(kqueue_signal_counts_and_sees_ignored_ones) {
  const int kq = CHECK_OK(kqueue());
  signal(SIGUSR1, SIG_IGN);
  change(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD);
  for (int i = 0; i < 3; i++) CHECK_OK(kill(getpid(), SIGUSR1));
  CHECK_EQ(next(kq).data, 3);
  CHECK(quiet(kq));
  CHECK_EQ(error_of(kq, 999, EVFILT_SIGNAL, EV_ADD), EINVAL);
}

TEST(kqueue_process_exit_is_told_once_also_of_a_zombie) {
  const int kq = CHECK_OK(kqueue());
  Gate gate;
  const pid_t child = start_child([&] {
    gate.wait();
    _exit(9);
  });
  change(kq, child, EVFILT_PROC, EV_ADD, NOTE_EXIT);
  CHECK(quiet(kq));
  gate.open();
  struct kevent event = next(kq);
  CHECK_EQ(event.fflags, NOTE_EXIT);
  CHECK_EQ(event.data, 9 << 8);
  CHECK(event.flags & EV_EOF);
  CHECK(quiet(kq));
  CHECK_EQ(error_of(kq, child, EVFILT_PROC, EV_DELETE), ENOENT);   // it went with the event
  change(kq, child, EVFILT_PROC, EV_ADD, NOTE_EXIT);               // not waited for yet
  CHECK_EQ(next(kq).data, 9 << 8);
  CHECK_EQ(wait_for(child), 9);
}

TEST(kqueue_process_descriptor_tells_the_exit) {
  const int kq = CHECK_OK(kqueue());
  int descriptor;
  Gate gate;
  const pid_t child = pdfork(&descriptor, 0);
  if (child == 0) {
    gate.wait();
    _exit(3);
  }
  CHECK(child > 0);
  change(kq, descriptor, EVFILT_PROCDESC, EV_ADD, NOTE_EXIT);
  CHECK(quiet(kq));
  gate.open();
  const struct kevent event = next(kq);
  CHECK_EQ(event.ident, static_cast<uintptr_t>(descriptor));
  CHECK_EQ(event.fflags, NOTE_EXIT);
  CHECK_EQ(event.data, 3 << 8);
  CHECK_EQ(error_of(kq, STDIN_FILENO, EVFILT_PROCDESC, EV_ADD, NOTE_EXIT), EINVAL);
  CHECK_OK(close(descriptor));
}
