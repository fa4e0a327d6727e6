// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Kqueues that watch kqueues: what is told, far up a chain too, and what a circle of them does.
#include <pthread.h>
#include <sys/event.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "check.h"
#include "passing.h"

namespace {

const timespec kNow = {}, kLong = {10, 0};

int change(int kq, int ident, short filter, unsigned short flags, unsigned fflags = 0) {
  struct kevent event;
  EV_SET(&event, ident, filter, flags, fflags, 0, nullptr);
  return kevent(kq, &event, 1, nullptr, 0, nullptr);
}
void watch(int outer, int inner, unsigned short flags = 0) { CHECK_OK(change(outer, inner, EVFILT_READ, EV_ADD | flags)); }

// A kqueue with a user event of this number, which trigger() makes happen.
int with_event(int ident, unsigned short flags = EV_CLEAR) {
  const int kq = CHECK_OK(kqueue());
  CHECK_OK(change(kq, ident, EVFILT_USER, EV_ADD | flags));
  return kq;
}
void trigger(int kq, int ident) { CHECK_OK(change(kq, ident, EVFILT_USER, 0, NOTE_TRIGGER)); }

// How many events (0 or 1) come in time; *event is the last.
int collect(int kq, const timespec& timeout, struct kevent* event) { return kevent(kq, nullptr, 0, event, 1, &timeout); }
bool quiet(int kq) {
  struct kevent event;
  return collect(kq, kNow, &event) == 0;
}

void* wait_on(void* kq) {
  struct kevent event;
  return reinterpret_cast<void*>(static_cast<intptr_t>(collect(*static_cast<int*>(kq), kLong, &event)));
}

}  // namespace

TEST(kqueue_watches_another_as_long_as_it_is_readable) {
  const int inner = with_event(1), outer = CHECK_OK(kqueue());
  CHECK_OK(change(inner, 2, EVFILT_USER, EV_ADD | EV_CLEAR));
  watch(outer, inner);
  CHECK(quiet(outer));
  trigger(inner, 1);
  trigger(inner, 2);
  struct kevent event;
  for (int i = 0; i < 2; i++) {
    CHECK_EQ(collect(outer, kNow, &event), 1);
    CHECK_EQ(event.ident, static_cast<uintptr_t>(inner));
    CHECK_EQ(event.data, 2);
  }
  CHECK_EQ(collect(inner, kNow, &event), 1);
  CHECK_EQ(collect(inner, kNow, &event), 1);
  CHECK(quiet(outer));
}

TEST(kqueue_tells_each_wake_up_of_another_once) {
  const int inner = with_event(1), outer = CHECK_OK(kqueue());
  watch(outer, inner, EV_CLEAR);
  for (int i = 0; i < 100; i++) {
    trigger(inner, 1);
    struct kevent event;
    CHECK_EQ(collect(outer, kNow, &event), 1);
    CHECK(quiet(outer));
    CHECK_EQ(collect(inner, kNow, &event), 1);
  }
}

TEST(kqueue_wakes_who_waits_above_a_long_chain) {
  constexpr int kLength = 400;
  rlimit limit = {kLength + 64, kLength + 64};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &limit));
  const int first = with_event(1);
  int last = first;
  for (int i = 0; i < kLength; i++) {
    const int above = CHECK_OK(kqueue());
    watch(above, last);
    last = above;
  }
  pthread_t waiter;
  CHECK_EQ(pthread_create(&waiter, nullptr, wait_on, &last), 0);
  usleep(20'000);
  trigger(first, 1);
  void* got;
  CHECK_EQ(pthread_join(waiter, &got), 0);
  CHECK_EQ(reinterpret_cast<intptr_t>(got), 1);
}

TEST(kqueues_in_a_circle_come_to_rest) {
  const int all[] = {with_event(1), with_event(1), with_event(1)};
  watch(all[0], all[1], EV_CLEAR);
  watch(all[1], all[0], EV_CLEAR);
  watch(all[2], all[2], EV_CLEAR);
  for (const int kq : all) trigger(kq, 1);
  struct kevent event;
  for (const int kq : all)
    for (int i = 0; i < 8 && collect(kq, kNow, &event) == 1; i++) {}
  for (const int kq : all) CHECK_OK(close(kq));
}

TEST(kqueue_that_is_closed_is_no_longer_watched) {
  const int inner = with_event(1), outer = CHECK_OK(kqueue());
  watch(outer, inner);
  trigger(inner, 1);
  CHECK_OK(close(inner));
  CHECK(quiet(outer));
}

TEST(kqueue_is_watched_for_reading_only) {
  const int inner = CHECK_OK(kqueue()), outer = CHECK_OK(kqueue());
  CHECK_ERRNO(change(outer, inner, EVFILT_WRITE, EV_ADD), EINVAL);
  CHECK_ERRNO(change(outer, inner, EVFILT_VNODE, EV_ADD, NOTE_WRITE), EINVAL);
}

TEST(kqueue_is_not_passed_to_another_process) {
  int ends[2];
  CHECK_OK(socketpair(AF_UNIX, SOCK_STREAM, 0, ends));
  CHECK_ERRNO(send_descriptor(ends[0], CHECK_OK(kqueue())), EINVAL);
}
