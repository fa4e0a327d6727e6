// SPDX-License-Identifier: BSD-2-Clause
// sendmsg(2) and recvmsg(2): vectors, descriptors and credentials in control messages, many messages at once.
#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

#pragma clang diagnostic ignored "-Wsign-compare"  // in musl's CMSG_NXTHDR

namespace {
struct Pair {
  explicit Pair(int type = SOCK_STREAM) {
    int ends[2];
    CHECK_OK(socketpair(AF_UNIX, type, 0, ends));
    a = ends[0];
    b = ends[1];
  }
  void close_both() const {
    close(a);
    close(b);
  }
  int a, b;
};

// One byte with descriptors.
ssize_t send_files(int socket, const int* files, unsigned count, const char* data = "x") {
  alignas(cmsghdr) char control[CMSG_SPACE(300 * sizeof(int))] = {};
  iovec vector = {const_cast<char*>(data), strlen(data)};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = static_cast<socklen_t>(CMSG_SPACE(count * sizeof(int)));
  cmsghdr* header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = static_cast<socklen_t>(CMSG_LEN(count * sizeof(int)));
  memcpy(CMSG_DATA(header), files, count * sizeof(int));
  return syscall(SYS_sendmsg, socket, &message, MSG_NOSIGNAL);  // musl's own refuses large control messages
}

struct Received {
  ssize_t size = 0;
  int flags = 0;
  unsigned count = 0;
  int files[300];
  bool has_credentials = false;
  ucred credentials = {};
};
Received receive(int socket, size_t size = 1, unsigned room = 300, int flags = 0) {
  Received result;
  alignas(cmsghdr) char control[CMSG_SPACE(300 * sizeof(int)) + CMSG_SPACE(sizeof(ucred))] = {};
  char data[64];
  iovec vector = {data, size};
  msghdr message = {};
  message.msg_iov = &vector;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = static_cast<socklen_t>(room == 300 ? sizeof control
                                                  : room == 0 ? 0
                                                              : CMSG_LEN(room * sizeof(int)));
  result.size = CHECK_OK(recvmsg(socket, &message, flags));
  result.flags = message.msg_flags;
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_type == SCM_RIGHTS) {
      result.count = static_cast<unsigned>((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
      memcpy(result.files, CMSG_DATA(header), result.count * sizeof(int));
    } else if (header->cmsg_type == SCM_CREDENTIALS) {
      result.has_credentials = true;
      memcpy(&result.credentials, CMSG_DATA(header), sizeof(ucred));
    }
  }
  return result;
}
}  // namespace

TEST(vectors_are_gathered_and_scattered) {
  const Pair pair(SOCK_SEQPACKET);
  iovec out[3] = {{const_cast<char*>("ab"), 2}, {nullptr, 0}, {const_cast<char*>("cde"), 3}};
  msghdr message = {};
  message.msg_iov = out;
  message.msg_iovlen = 3;
  CHECK_EQ(sendmsg(pair.a, &message, 0), 5);
  char first[3] = {}, second[8] = {};
  iovec in[2] = {{first, 2}, {second, 8}};
  message.msg_iov = in;
  message.msg_iovlen = 2;
  CHECK_EQ(recvmsg(pair.b, &message, 0), 5);
  CHECK_EQ(static_cast<const char*>(first), "ab");
  CHECK_EQ(static_cast<const char*>(second), "cde");
}

TEST(a_descriptor_arrives_as_the_same_open_file) {
  const Pair pair;
  int ends[2];
  CHECK_OK(pipe(ends));
  CHECK_EQ(send_files(pair.a, &ends[1], 1), 1);
  close(ends[1]);
  const pid_t child = start_child([&] {
    const Received received = receive(pair.b);
    CHECK_EQ(received.size, 1);
    CHECK_EQ(received.count, 1u);
    CHECK_EQ(write(received.files[0], "through", 7), 7);
  });
  char text[8];
  CHECK_EQ(read(ends[0], text, 8), 7);
  CHECK_EQ(wait_for(child), 0);
}

TEST(descriptors_in_flight_keep_files_open_until_the_queue_goes) {
  const Pair pair;
  int ends[2];
  CHECK_OK(pipe(ends));
  CHECK_EQ(send_files(pair.a, &ends[1], 1), 1);
  close(ends[1]);
  pollfd request = {ends[0], POLLIN, 0};
  CHECK_EQ(poll(&request, 1, 0), 0);
  pair.close_both();
  CHECK(eventually([&] { return poll(&request, 1, 0) == 1; }));
  CHECK_EQ(request.revents, POLLHUP);
}

TEST(a_read_drops_the_descriptors) {
  const Pair pair;
  int ends[2];
  CHECK_OK(pipe(ends));
  CHECK_EQ(send_files(pair.a, &ends[1], 1), 1);
  close(ends[1]);
  char byte;
  CHECK_EQ(read(pair.b, &byte, 1), 1);
  CHECK_EQ(read(ends[0], &byte, 1), 0);
}

TEST(close_on_exec_and_too_little_room) {
  const Pair pair;
  const int files[3] = {pair.a, pair.b, 0};
  CHECK_EQ(send_files(pair.a, files, 3), 1);
  const Received received = receive(pair.b, 1, 2, MSG_CMSG_CLOEXEC);
  CHECK_EQ(received.count, 2u);
  CHECK(received.flags & MSG_CTRUNC);
  CHECK_EQ(fcntl(received.files[0], F_GETFD), FD_CLOEXEC);
  CHECK_EQ(send_files(pair.a, files, 1), 1);
  CHECK(receive(pair.b, 1, 0).flags & MSG_CTRUNC);
}

TEST(peeking_gives_descriptors_too) {
  const Pair pair;
  int ends[2];
  CHECK_OK(pipe(ends));
  CHECK_EQ(send_files(pair.a, &ends[1], 1), 1);
  const Received peeked = receive(pair.b, 1, 300, MSG_PEEK);
  CHECK_EQ(peeked.count, 1u);
  const Received received = receive(pair.b);
  CHECK_EQ(received.count, 1u);
  close(ends[1]);
  close(peeked.files[0]);
  CHECK_EQ(write(received.files[0], "x", 1), 1);
}

TEST(data_with_descriptors_is_not_glued_to_what_follows) {
  const Pair pair;
  int file = 0;
  CHECK_EQ(write(pair.a, "ab", 2), 2);
  CHECK_EQ(send_files(pair.a, &file, 1, "cd"), 2);
  CHECK_EQ(write(pair.a, "ef", 2), 2);
  Received received = receive(pair.b, 64);
  CHECK_EQ(received.size, 4);
  CHECK_EQ(received.count, 1u);
  CHECK_EQ(receive(pair.b, 64).size, 2);
}

TEST(bad_control_messages) {
  const Pair pair;
  const int bad = 999;
  CHECK_ERRNO(send_files(pair.a, &bad, 1), EBADF);
  static int many[300];
  CHECK_ERRNO(send_files(pair.a, many, 254), EINVAL);
  CHECK_EQ(send_files(pair.a, many, 253), 1);
  CHECK_EQ(receive(pair.b).count, 253u);
}

TEST(credentials_come_when_asked_for) {
  const Pair pair;
  const int one = 1;
  CHECK_EQ(write(pair.a, "x", 1), 1);
  CHECK(!receive(pair.b).has_credentials);
  CHECK_OK(setsockopt(pair.b, SOL_SOCKET, SO_PASSCRED, &one, sizeof one));
  const pid_t child = start_child([&] { CHECK_EQ(send(pair.a, "x", 1, 0), 1); });
  const Received received = receive(pair.b);
  CHECK(received.has_credentials);
  CHECK_EQ(received.credentials.pid, child);
  CHECK_EQ(received.credentials.uid, getuid());
  CHECK_EQ(wait_for(child), 0);
}

TEST(claimed_credentials_are_checked) {
  const auto claim = [](uid_t uid) {
    const Pair pair(SOCK_DGRAM);
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
    iovec vector = {const_cast<char*>("x"), 1};
    msghdr message = {};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_CREDENTIALS;
    header->cmsg_len = CMSG_LEN(sizeof(ucred));
    const ucred credentials = {getpid(), uid, getgid()};
    memcpy(CMSG_DATA(header), &credentials, sizeof credentials);
    return sendmsg(pair.a, &message, 0);
  };
  CHECK_EQ(claim(getuid()), 1);
  if (getuid() != 0) SKIP("not root");
  CHECK_EQ(claim(12345), 1);
  CHECK_EQ(in_child([&] {
             CHECK_OK(setuid(1000));
             CHECK_ERRNO(claim(0), EPERM);
             CHECK_EQ(claim(1000), 1);
           }),
           0);
}

// Sockets that hold each other in their queues, and chains of sockets in sockets, go when nobody can reach
// them.
TEST(cycles_and_chains_of_sockets_are_cleaned_up) {
  int ends[2];
  CHECK_OK(pipe(ends));
  for (int round = 0; round < 20; round++) {
    const Pair first, second;
    const int into_second[2] = {first.a, ends[1]};
    CHECK_EQ(send_files(second.a, into_second, 2), 1);  // first.a lies in second.b's queue ...
    CHECK_EQ(send_files(first.b, &second.b, 1), 1);     // ... and second.b in first.a's: a cycle
    first.close_both();
    second.close_both();
  }
  constexpr int kLinks = 200;
  int previous = CHECK_OK(dup(ends[1]));
  for (int link = 0; link < kLinks; link++) {
    const Pair pair;
    CHECK_EQ(send_files(pair.a, &previous, 1), 1);
    close(pair.a);
    close(previous);
    previous = pair.b;
  }
  close(previous);
  close(ends[1]);
  Pair().close_both();  // closing any socket looks for garbage
  pollfd request = {ends[0], POLLIN, 0};
  CHECK(eventually([&] {
    Pair().close_both();
    return poll(&request, 1, 0) == 1;
  }));
  CHECK_EQ(request.revents, POLLHUP);
}

TEST(a_socket_in_its_own_queue_is_cleaned_up) {
  int ends[2];
  CHECK_OK(pipe(ends));
  const Pair pair;
  const int files[2] = {pair.b, ends[1]};
  CHECK_EQ(send_files(pair.a, files, 2), 1);
  close(ends[1]);
  pair.close_both();
  pollfd request = {ends[0], POLLIN, 0};
  CHECK(eventually([&] {
    Pair().close_both();
    return poll(&request, 1, 0) == 1;
  }));
}

TEST(a_path_only_descriptor_does_not_keep_a_socket_open) {
  const auto open_path_only = [](int socket) {
    char name[64];
    snprintf(name, sizeof name, "/proc/self/fd/%d", socket);
    return CHECK_OK(open(name, O_PATH));
  };
  const Pair pair;
  const int place = open_path_only(pair.a);
  close(pair.a);
  char byte;
  CHECK_EQ(recv(pair.b, &byte, 1, MSG_DONTWAIT), 0);
  struct stat status;
  CHECK_OK(fstat(place, &status));
  CHECK(S_ISSOCK(status.st_mode));
  close(place);
  close(pair.b);

  // Nor can it hide a cycle: it lies in the queue of the very socket that it names.
  int ends[2];
  CHECK_OK(pipe(ends));
  const Pair cycle;
  const int files[2] = {open_path_only(cycle.a), ends[1]};
  CHECK_EQ(send_files(cycle.b, files, 2), 1);
  for (const int file : files) close(file);
  cycle.close_both();
  pollfd request = {ends[0], POLLIN, 0};
  CHECK_EQ(poll(&request, 1, 5000), 1);
  CHECK_EQ(request.revents, POLLHUP);
}

TEST(a_socket_in_flight_that_somebody_holds_stays) {
  const Pair carrier, passenger;
  CHECK_EQ(write(passenger.a, "ab", 2), 2);
  CHECK_EQ(send_files(carrier.a, &passenger.b, 1), 1);
  close(passenger.b);
  close(carrier.a);
  for (int i = 0; i < 10; i++) Pair().close_both();
  const Received received = receive(carrier.b);
  CHECK_EQ(received.count, 1u);
  char text[4];
  CHECK_EQ(read(received.files[0], text, 4), 2);
}

TEST(files_in_flight_are_limited_for_each_user) {
  const Pair pair;
  CHECK_EQ(in_child([&] {
             CHECK_OK(setgid(1000));
             CHECK_OK(setuid(1000));
             const rlimit few = {20, 20};
             CHECK_OK(setrlimit(RLIMIT_NOFILE, &few));
             int sent = 0;
             while (send_files(pair.a, &pair.b, 1) == 1) sent++;
             CHECK_EQ(errno, ETOOMANYREFS);
             CHECK_EQ(sent, 21);
             CHECK_EQ(write(pair.a, "x", 1), 1);
             Received received = receive(pair.b);
             CHECK_EQ(received.count, 1u);
             close(received.files[0]);
             CHECK_EQ(send_files(pair.a, &pair.b, 1), 1);
           }),
           0);
  CHECK_EQ(send_files(pair.a, &pair.b, 1), 1);   // root, and another user
  CHECK_EQ(in_child([&] {
             CHECK_OK(setgid(1001));
             CHECK_OK(setuid(1001));
             CHECK_EQ(send_files(pair.a, &pair.b, 1), 1);
           }),
           0);
}

TEST(many_messages_in_one_call) {
  const Pair pair(SOCK_DGRAM);
  char out[3][4] = {"a", "bb", "ccc"};
  iovec vectors[3];
  mmsghdr messages[4] = {};
  for (unsigned i = 0; i < 3; i++) {
    vectors[i] = {out[i], i + 1};
    messages[i].msg_hdr.msg_iov = &vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  CHECK_EQ(syscall(SYS_sendmmsg, pair.a, messages, 3, 0), 3);
  CHECK_EQ(messages[2].msg_len, 3u);
  char in[4][4];
  iovec in_vectors[4];
  for (unsigned i = 0; i < 4; i++) {
    in_vectors[i] = {in[i], 4};
    messages[i] = {};
    messages[i].msg_hdr.msg_iov = &in_vectors[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  CHECK_EQ(syscall(SYS_recvmmsg, pair.b, messages, 4, MSG_WAITFORONE, nullptr), 3);
  CHECK_EQ(messages[1].msg_len, 2u);
  CHECK_ERRNO(syscall(SYS_recvmmsg, pair.b, messages, 4, MSG_DONTWAIT, nullptr), EAGAIN);
}
