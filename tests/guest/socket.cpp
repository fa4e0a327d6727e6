// SPDX-License-Identifier: BSD-2-Clause
// AF_UNIX sockets: connections, data, ends, options, addresses. What travels with data: socket_passing.cpp.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>

#include "check.h"

namespace {
struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    int ends[2];
    CHECK_OK(socketpair(AF_UNIX, type, 0, ends));
    a = ends[0];
    b = ends[1];
  }
  int a, b;
};
struct Address {
  explicit Address(const char* path) {
    strcpy(raw.sun_path, path);
    size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + strlen(path) + 1);
  }
  static Address abstract(const char* name) {
    Address address("");
    strcpy(address.raw.sun_path + 1, name);
    address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + strlen(name));
    return address;
  }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&raw); }
  sockaddr_un raw = {.sun_family = AF_UNIX, .sun_path = {}};
  socklen_t size;
};
int listen_at(const Address& address, int type = SOCK_STREAM, int backlog = 5) {
  const int listener = CHECK_OK(socket(AF_UNIX, type, 0));
  CHECK_OK(bind(listener, address.get(), address.size));
  CHECK_OK(listen(listener, backlog));
  return listener;
}
int connect_to(const Address& address, int type = SOCK_STREAM) {
  const int client = CHECK_OK(socket(AF_UNIX, type, 0));
  CHECK_OK(connect(client, address.get(), address.size));
  return client;
}
short events_of(int file, short wanted = POLLIN | POLLOUT | POLLRDHUP) {
  pollfd request = {file, wanted, 0};
  CHECK(poll(&request, 1, 0) >= 0);
  return request.revents;
}
const char* fresh_path() {
  static char path[64];
  static int count;
  snprintf(path, sizeof path, "/tmp/socket-test-%d-%d", getpid(), count++);
  unlink(path);
  return path;
}
int option(int file, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  CHECK_OK(getsockopt(file, SOL_SOCKET, name, &value, &size));
  return value;
}
}  // namespace

TEST(stream_carries_bytes_both_ways_without_boundaries) {
  const Pair pair;
  CHECK_EQ(write(pair.a, "abc", 3), 3);
  CHECK_EQ(send(pair.a, "def", 3, 0), 3);
  char text[8] = {};
  CHECK_EQ(read(pair.b, text, 4), 4);
  CHECK_EQ(static_cast<const char*>(text), "abcd");
  CHECK_EQ(recv(pair.b, text, 8, 0), 2);
  CHECK_EQ(write(pair.b, "x", 1), 1);
  CHECK_EQ(read(pair.a, text, 8), 1);
}

TEST(datagrams_and_records_keep_their_boundaries) {
  for (int type : Ints{SOCK_DGRAM, SOCK_SEQPACKET}) {
    const Pair pair(type);
    CHECK_EQ(send(pair.a, "abc", 3, 0), 3);
    CHECK_EQ(send(pair.a, "", 0, 0), 0);
    CHECK_EQ(send(pair.a, "defgh", 5, 0), 5);
    char text[8];
    CHECK_EQ(recv(pair.b, text, 8, 0), 3);
    CHECK_EQ(recv(pair.b, text, 8, 0), 0);
    CHECK_EQ(recv(pair.b, text, 2, MSG_TRUNC), 5);
    CHECK_ERRNO(recv(pair.b, text, 2, MSG_DONTWAIT), EAGAIN);
  }
}

TEST(peek_leaves_the_data) {
  const Pair pair;
  CHECK_EQ(write(pair.a, "abc", 3), 3);
  char text[4] = {};
  CHECK_EQ(recv(pair.b, text, 3, MSG_PEEK), 3);
  CHECK_EQ(recv(pair.b, text, 3, 0), 3);
  CHECK_EQ(static_cast<const char*>(text), "abc");
}

TEST(waitall_waits_for_everything) {
  const Pair pair;
  const pid_t child = start_child([&] {
    CHECK_EQ(write(pair.a, "abc", 3), 3);
    sleep_ms(20);
    CHECK_EQ(write(pair.a, "def", 3), 3);
  });
  char text[8] = {};
  CHECK_EQ(recv(pair.b, text, 6, MSG_WAITALL), 6);
  CHECK_EQ(static_cast<const char*>(text), "abcdef");
  CHECK_EQ(wait_for(child), 0);
}

TEST(megabytes_pass_through_a_stream) {
  const Pair pair;
  constexpr size_t kSize = 3 << 20;
  const pid_t child = start_child([&] {
    static uint32_t block[kSize / 4];
    for (uint32_t i = 0; i < kSize / 4; i++) block[i] = i * 2654435761u;
    for (size_t done = 0; done < kSize;)
      done +=
          static_cast<size_t>(CHECK_OK(write(pair.a, reinterpret_cast<char*>(block) + done, kSize - done)));
  });
  static uint32_t copy[kSize / 4];
  for (size_t done = 0; done < kSize;)
    done += static_cast<size_t>(CHECK_OK(read(pair.b, reinterpret_cast<char*>(copy) + done, kSize - done)));
  for (uint32_t i = 0; i < kSize / 4; i++) CHECK_EQ(copy[i], i * 2654435761u);
  CHECK_EQ(wait_for(child), 0);
}

TEST(a_full_socket_refuses_and_becomes_writable_when_read) {
  const Pair pair;
  static char block[4096];
  CHECK_OK(fcntl(pair.a, F_SETFL, O_NONBLOCK));
  size_t total = 0;
  for (ssize_t sent; (sent = write(pair.a, block, sizeof block)) > 0;) total += static_cast<size_t>(sent);
  CHECK_EQ(errno, EAGAIN);
  CHECK(total >= 65536);
  CHECK(!(events_of(pair.a) & POLLOUT));
  while (total > 0) total -= static_cast<size_t>(CHECK_OK(read(pair.b, block, sizeof block)));
  CHECK(events_of(pair.a) & POLLOUT);
}

TEST(close_is_the_end_of_the_stream_and_EPIPE) {
  const Pair pair;
  CHECK_EQ(write(pair.a, "x", 1), 1);
  close(pair.a);
  char byte;
  CHECK_EQ(events_of(pair.b) & (POLLIN | POLLHUP | POLLRDHUP), POLLIN | POLLHUP | POLLRDHUP);
  CHECK_EQ(read(pair.b, &byte, 1), 1);
  CHECK_EQ(read(pair.b, &byte, 1), 0);
  CHECK_ERRNO(send(pair.b, "x", 1, MSG_NOSIGNAL), EPIPE);
  CHECK_EQ(in_child([&] { send(pair.b, "x", 1, 0); }), 128 + SIGPIPE);
}

TEST(close_with_unread_data_resets_the_connection) {
  const Pair pair;
  CHECK_EQ(write(pair.a, "x", 1), 1);
  close(pair.b);
  char byte;
  CHECK(events_of(pair.a) & POLLERR);
  CHECK_ERRNO(read(pair.a, &byte, 1), ECONNRESET);
  CHECK_EQ(read(pair.a, &byte, 1), 0);
}

TEST(shutdown_ends_one_direction) {
  const Pair pair;
  CHECK_OK(shutdown(pair.a, SHUT_WR));
  char byte;
  CHECK_EQ(read(pair.b, &byte, 1), 0);
  CHECK_ERRNO(send(pair.a, "x", 1, MSG_NOSIGNAL), EPIPE);
  CHECK_EQ(write(pair.b, "x", 1), 1);
  CHECK_EQ(read(pair.a, &byte, 1), 1);
  CHECK_EQ(events_of(pair.b) & (POLLRDHUP | POLLHUP), POLLRDHUP);
  CHECK_ERRNO(shutdown(pair.a, 3), EINVAL);
}

TEST(a_blocked_reader_wakes_when_the_peer_closes) {
  const Pair pair;
  const pid_t child = start_child([&] {
    close(pair.a);
    char byte;
    CHECK_EQ(read(pair.b, &byte, 1), 0);
  });
  sleep_ms(20);
  close(pair.a);
  CHECK_EQ(wait_for(child), 0);
}

TEST(connection_by_path) {
  const Address address(fresh_path());
  const int listener = listen_at(address);
  struct stat status;
  CHECK_OK(stat(address.raw.sun_path, &status));
  CHECK(S_ISSOCK(status.st_mode));
  CHECK_EQ(option(listener, SO_ACCEPTCONN), 1);
  const int client = connect_to(address);
  CHECK_EQ(events_of(listener), POLLIN);
  const int server = CHECK_OK(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC));
  CHECK_EQ(write(client, "hello", 5), 5);
  char text[8];
  CHECK_EQ(read(server, text, 8), 5);

  sockaddr_un name = {};
  socklen_t size = sizeof name;
  CHECK_OK(getpeername(client, reinterpret_cast<sockaddr*>(&name), &size));
  CHECK_EQ(size, address.size);
  CHECK_EQ(static_cast<const char*>(name.sun_path), static_cast<const char*>(address.raw.sun_path));
  size = sizeof name;
  CHECK_OK(getsockname(client, reinterpret_cast<sockaddr*>(&name), &size));
  CHECK_EQ(size, sizeof(sa_family_t));
  size = sizeof name;
  CHECK_OK(getsockname(server, reinterpret_cast<sockaddr*>(&name), &size));
  CHECK_EQ(size, address.size);
  CHECK_OK(unlink(address.raw.sun_path));
}

TEST(connection_by_abstract_name) {
  char name[32];
  snprintf(name, sizeof name, "tine-test-%d", getpid());
  const Address address = Address::abstract(name);
  const int listener = listen_at(address, SOCK_SEQPACKET);
  const int again = CHECK_OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  CHECK_ERRNO(bind(again, address.get(), address.size), EADDRINUSE);
  const int client = connect_to(address, SOCK_SEQPACKET);
  const int server = CHECK_OK(accept(listener, nullptr, nullptr));
  CHECK_EQ(send(server, "ab", 2, 0), 2);
  char text[8];
  CHECK_EQ(recv(client, text, 8, 0), 2);
  close(listener);
  const int late = CHECK_OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  CHECK_ERRNO(connect(late, address.get(), address.size), ECONNREFUSED);
  CHECK_OK(bind(again, address.get(), address.size));  // the name is free again
}

TEST(connect_fails_for_what_is_not_there) {
  const int client = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  const Address nowhere("/tmp/there-is-no-such-socket");
  CHECK_ERRNO(connect(client, nowhere.get(), nowhere.size), ENOENT);
  const Address directory("/tmp");
  CHECK_ERRNO(connect(client, directory.get(), directory.size), ECONNREFUSED);
  const Address address(fresh_path());
  const int listener = listen_at(address, SOCK_SEQPACKET);
  CHECK_ERRNO(connect(client, address.get(), address.size), EPROTOTYPE);
  const int second = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  CHECK_ERRNO(bind(second, address.get(), address.size), EADDRINUSE);
  close(listener);
  const int third = CHECK_OK(socket(AF_UNIX, SOCK_SEQPACKET, 0));
  CHECK_ERRNO(connect(third, address.get(), address.size), ECONNREFUSED);
  CHECK_OK(unlink(address.raw.sun_path));
}

TEST(a_full_backlog_refuses_or_waits) {
  const Address address(fresh_path());
  const int listener = listen_at(address, SOCK_STREAM, 0);
  const int first = connect_to(address);
  const int second = CHECK_OK(socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0));
  CHECK_ERRNO(connect(second, address.get(), address.size), EAGAIN);
  const pid_t child = start_child([&] {
    const int waiting = connect_to(address);
    char byte;
    CHECK_EQ(read(waiting, &byte, 1), 1);
  });
  sleep_ms(30);
  CHECK_OK(accept(listener, nullptr, nullptr));
  const int server = CHECK_OK(accept(listener, nullptr, nullptr));
  CHECK_EQ(write(server, "x", 1), 1);
  CHECK_EQ(wait_for(child), 0);
  close(first);
  CHECK_OK(unlink(address.raw.sun_path));
}

TEST(without_a_free_descriptor_accept_leaves_the_connection) {
  const Address address(fresh_path());
  const int listener = listen_at(address), client = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  CHECK_OK(connect(client, address.get(), address.size));
  const rlimit full = {static_cast<rlim_t>(client) + 1, 1024}, enough = {1024, 1024};
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &full));
  while (dup(client) >= 0) continue;
  CHECK_ERRNO(accept(listener, nullptr, nullptr), EMFILE);
  CHECK_OK(setrlimit(RLIMIT_NOFILE, &enough));
  CHECK_OK(fcntl(listener, F_SETFL, O_NONBLOCK));
  const int server = CHECK_OK(accept(listener, nullptr, nullptr));
  CHECK_EQ(write(client, "x", 1), 1);
  char byte;
  CHECK_EQ(read(server, &byte, 1), 1);
  CHECK_OK(unlink(address.raw.sun_path));
}

TEST(closing_a_listener_resets_who_was_not_accepted) {
  const Address address(fresh_path());
  const int listener = listen_at(address);
  const int client = connect_to(address);
  close(listener);
  char byte;
  CHECK_ERRNO(read(client, &byte, 1), ECONNRESET);
  CHECK_OK(unlink(address.raw.sun_path));
}

TEST(datagrams_by_name_tell_who_sent_them) {
  const Address to(fresh_path()), from(fresh_path());
  const int receiver = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  const int sender = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  CHECK_OK(bind(receiver, to.get(), to.size));
  CHECK_ERRNO(send(sender, "x", 1, 0), ENOTCONN);
  CHECK_EQ(sendto(sender, "anonymous", 9, 0, to.get(), to.size), 9);
  char text[16];
  sockaddr_un who = {};
  socklen_t size = sizeof who;
  CHECK_EQ(recvfrom(receiver, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&who), &size), 9);
  CHECK_EQ(size, 0u);
  CHECK_OK(bind(sender, from.get(), from.size));
  CHECK_OK(connect(sender, to.get(), to.size));
  CHECK_EQ(send(sender, "named", 5, 0), 5);
  size = sizeof who;
  CHECK_EQ(recvfrom(receiver, text, sizeof text, 0, reinterpret_cast<sockaddr*>(&who), &size), 5);
  CHECK_EQ(static_cast<const char*>(who.sun_path), static_cast<const char*>(from.raw.sun_path));
  close(receiver);
  CHECK_ERRNO(send(sender, "x", 1, 0), ECONNREFUSED);
  CHECK_OK(unlink(to.raw.sun_path));
  CHECK_OK(unlink(from.raw.sun_path));
}

// Each of these senders is within its own bound.
TEST(datagrams_of_many_senders_fill_a_queue_too) {
  static char data[16'000];
  const Address to(fresh_path());
  const int receiver = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  CHECK_OK(bind(receiver, to.get(), to.size));
  const auto fill = [&] {
    for (int i = 0; i < 1000; i++) {
      const int passing = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
      const ssize_t sent = sendto(passing, data, sizeof data, MSG_DONTWAIT, to.get(), to.size);
      const int error = errno;
      close(passing);
      if (sent < 0) return error;
    }
    return 0;
  };
  const auto drain_soon = [&] {
    return start_child([&] {
      sleep_ms(50);
      while (recv(receiver, data, sizeof data, MSG_DONTWAIT) >= 0) continue;
    });
  };
  const int sender = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  CHECK_OK(connect(sender, to.get(), to.size));
  pollfd writable = {sender, POLLOUT, 0};
  CHECK_EQ(poll(&writable, 1, 0), 1);

  CHECK_EQ(fill(), EAGAIN);
  CHECK_EQ(poll(&writable, 1, 0), 0);
  CHECK_ERRNO(send(sender, "x", 1, MSG_DONTWAIT), EAGAIN);
  pid_t reader = drain_soon();
  CHECK_EQ(poll(&writable, 1, 5000), 1);
  CHECK_EQ(wait_for(reader), 0);

  CHECK_EQ(fill(), EAGAIN);
  reader = drain_soon();
  CHECK_EQ(send(sender, "x", 1, 0), 1);
  CHECK_EQ(wait_for(reader), 0);
  CHECK_OK(unlink(to.raw.sun_path));
}

TEST(options) {
  const Pair pair(SOCK_DGRAM);
  CHECK_EQ(option(pair.a, SO_TYPE), SOCK_DGRAM);
  CHECK_EQ(option(pair.a, SO_DOMAIN), AF_UNIX);
  CHECK_EQ(option(pair.a, SO_ERROR), 0);
  CHECK_EQ(option(pair.a, SO_ACCEPTCONN), 0);
  const int one = 1, size = 10'000;
  CHECK_OK(setsockopt(pair.a, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one));
  CHECK_EQ(option(pair.a, SO_REUSEADDR), 1);
  CHECK_OK(setsockopt(pair.a, SOL_SOCKET, SO_SNDBUF, &size, sizeof size));
  CHECK_EQ(option(pair.a, SO_SNDBUF), 2 * size);
  static char big[100'000];
  CHECK_ERRNO(send(pair.a, big, sizeof big, 0), EMSGSIZE);
  ucred who = {};
  socklen_t length = sizeof who;
  CHECK_OK(getsockopt(pair.a, SOL_SOCKET, SO_PEERCRED, &who, &length));
  CHECK_EQ(who.pid, getpid());
  CHECK_EQ(who.uid, geteuid());
  CHECK_ERRNO(setsockopt(pair.a, SOL_SOCKET, 9999, &one, sizeof one), ENOPROTOOPT);
}

TEST(receive_timeout) {
  const Pair pair;
  const timeval timeout = {0, 20'000};
  CHECK_OK(setsockopt(pair.a, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
  const int64_t start = now_ns();
  char byte;
  CHECK_ERRNO(recv(pair.a, &byte, 1, 0), EAGAIN);
  CHECK(now_ns() - start >= 20'000'000);
}

TEST(a_signal_ends_an_accept_with_a_timeout) {
  const Address address(fresh_path());
  const int listener = listen_at(address);
  const timeval timeout = {20, 0};
  CHECK_OK(setsockopt(listener, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout));
  struct sigaction restarting = {};
  restarting.sa_handler = [](int) {};
  restarting.sa_flags = SA_RESTART;
  CHECK_OK(sigaction(SIGALRM, &restarting, nullptr));
  const itimerval often = {{0, 50'000}, {0, 50'000}};   // again, should the first come too early
  CHECK_OK(setitimer(ITIMER_REAL, &often, nullptr));
  CHECK_ERRNO(accept(listener, nullptr, nullptr), EINTR);
  CHECK_OK(unlink(address.raw.sun_path));
}

TEST(peer_credentials_are_those_of_connect_and_listen) {
  const Address address(fresh_path());
  const int listener = listen_at(address);
  const pid_t parent = getpid();
  const pid_t child = start_child([&] {
    const int client = connect_to(address);
    ucred who = {};
    socklen_t length = sizeof who;
    CHECK_OK(getsockopt(client, SOL_SOCKET, SO_PEERCRED, &who, &length));
    CHECK_EQ(who.pid, parent);
    char byte;
    CHECK_EQ(read(client, &byte, 1), 1);
  });
  const int server = CHECK_OK(accept(listener, nullptr, nullptr));
  ucred who = {};
  socklen_t length = sizeof who;
  CHECK_OK(getsockopt(server, SOL_SOCKET, SO_PEERCRED, &who, &length));
  CHECK_EQ(who.pid, child);
  CHECK_EQ(write(server, "x", 1), 1);
  CHECK_EQ(wait_for(child), 0);
  CHECK_OK(unlink(address.raw.sun_path));
}

TEST(fionread_tells_how_much_there_is) {
  const Pair pair;
  CHECK_EQ(write(pair.a, "abc", 3), 3);
  CHECK_EQ(write(pair.a, "de", 2), 2);
  int bytes = 0;
  CHECK_OK(ioctl(pair.b, FIONREAD, &bytes));
  CHECK_EQ(bytes, 5);
}

TEST(bad_arguments) {
  CHECK_ERRNO(socket(AF_UNIX, 99, 0), EINVAL);
  CHECK_ERRNO(socket(AF_UNIX, SOCK_STREAM, 77), EPROTONOSUPPORT);
  const int file = CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0));
  char byte;
  CHECK_ERRNO(recv(file, &byte, 1, 0), EINVAL);
  CHECK_ERRNO(send(file, &byte, 1, MSG_NOSIGNAL), ENOTCONN);
  CHECK_ERRNO(listen(file, 1), EINVAL);
  CHECK_ERRNO(accept(file, nullptr, nullptr), EINVAL);
  sockaddr_un name;
  socklen_t size = sizeof name;
  CHECK_ERRNO(getpeername(file, reinterpret_cast<sockaddr*>(&name), &size), ENOTCONN);
  int ends[2];
  CHECK_OK(pipe(ends));
  CHECK_ERRNO(recv(ends[0], &byte, 1, 0), ENOTSOCK);
  CHECK_ERRNO(recv(999, &byte, 1, 0), EBADF);
  const Pair pair;
  CHECK_ERRNO(recv(pair.a, reinterpret_cast<void*>(8), 0, MSG_DONTWAIT), EAGAIN);
  CHECK_EQ(write(pair.b, "x", 1), 1);
  CHECK_ERRNO(recv(pair.a, reinterpret_cast<void*>(8), 1, 0), EFAULT);
  CHECK_EQ(recv(pair.a, &byte, 1, 0), 1);
}

TEST(a_bound_name_can_be_chosen_by_the_kernel) {
  const int file = CHECK_OK(socket(AF_UNIX, SOCK_DGRAM, 0));
  const sa_family_t family = AF_UNIX;
  CHECK_OK(bind(file, reinterpret_cast<const sockaddr*>(&family), sizeof family));
  sockaddr_un name = {};
  socklen_t size = sizeof name;
  CHECK_OK(getsockname(file, reinterpret_cast<sockaddr*>(&name), &size));
  CHECK_EQ(size, 8u);
  CHECK_EQ(name.sun_path[0], '\0');
}
