// SPDX-License-Identifier: BSD-2-Clause
// Pipes and FIFOs.
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "check.h"

namespace {
struct Pipe {
  explicit Pipe(int flags = 0) {
    int ends[2];
    CHECK_OK(pipe2(ends, flags));
    out = ends[0];
    in = ends[1];
  }
  int out, in;
};

// Writes until the pipe is full; how many bytes it took.
size_t fill(int pipe) {
  static char block[4096];
  size_t total = 0;
  CHECK_OK(fcntl(pipe, F_SETFL, O_NONBLOCK));
  for (ssize_t wrote; (wrote = write(pipe, block, sizeof block)) > 0;) total += static_cast<size_t>(wrote);
  CHECK_EQ(errno, EAGAIN);
  return total;
}
}  // namespace

TEST(bytes_come_out_in_order) {
  const Pipe pipe;
  CHECK_EQ(write(pipe.in, "abc", 3), 3);
  CHECK_EQ(write(pipe.in, "def", 3), 3);
  char text[8] = {};
  CHECK_EQ(read(pipe.out, text, 4), 4);
  CHECK_EQ(static_cast<const char*>(text), "abcd");
  CHECK_EQ(read(pipe.out, text, 4), 2);
}

TEST(read_returns_zero_when_all_writers_closed) {
  const Pipe pipe;
  const int second = CHECK_OK(dup(pipe.in));
  CHECK_EQ(write(pipe.in, "x", 1), 1);
  close(pipe.in);
  close(second);
  char byte;
  CHECK_EQ(read(pipe.out, &byte, 1), 1);
  CHECK_EQ(read(pipe.out, &byte, 1), 0);
}

TEST(write_without_readers_raises_SIGPIPE) {
  CHECK_EQ(in_child([] {
             const Pipe pipe;
             close(pipe.out);
             (void)!write(pipe.in, "x", 1);
           }),
           128 + SIGPIPE);
  signal(SIGPIPE, SIG_IGN);
  const Pipe pipe;
  close(pipe.out);
  CHECK_ERRNO(write(pipe.in, "x", 1), EPIPE);
}

TEST(nonblocking_ends_say_EAGAIN) {
  const Pipe pipe(O_NONBLOCK);
  char byte;
  CHECK_ERRNO(read(pipe.out, &byte, 1), EAGAIN);
  CHECK_EQ(fill(pipe.in), 65536u);
}

TEST(capacity_is_at_least_PIPE_BUF_and_can_be_asked) {
  const Pipe pipe;
  CHECK(CHECK_OK(fcntl(pipe.in, F_GETPIPE_SZ)) >= PIPE_BUF);
}

TEST(FIONREAD_tells_what_waits) {
  const Pipe pipe;
  int waiting = -1;
  CHECK_OK(ioctl(pipe.out, FIONREAD, &waiting));
  CHECK_EQ(waiting, 0);
  CHECK_EQ(write(pipe.in, "12345", 5), 5);
  CHECK_OK(ioctl(pipe.out, FIONREAD, &waiting));
  CHECK_EQ(waiting, 5);
}

TEST(large_write_waits_for_the_reader) {
  const Pipe pipe;
  constexpr size_t kSize = 1 << 20;
  const pid_t writer = start_child([&] {
    close(pipe.out);
    char* data = static_cast<char*>(malloc(kSize));
    for (size_t i = 0; i < kSize; i++) data[i] = static_cast<char>(i * 7);
    CHECK_EQ(write(pipe.in, data, kSize), static_cast<ssize_t>(kSize));
  });
  close(pipe.in);
  char part[3000];
  size_t total = 0;
  for (ssize_t got; (got = read(pipe.out, part, sizeof part)) > 0;) {
    for (ssize_t i = 0; i < got; i++) CHECK_EQ(part[i], static_cast<char>((total + static_cast<size_t>(i)) * 7));
    total += static_cast<size_t>(got);
  }
  CHECK_EQ(total, kSize);
  CHECK_EQ(wait_for(writer), 0);
}

TEST(small_writes_of_two_writers_are_never_mixed) {
  const Pipe pipe;
  for (char mark : "AB") {
    if (!mark) break;
    start_child([&] {
      char line[100];
      memset(line, mark, sizeof line);
      for (int i = 0; i < 500; i++) CHECK_EQ(write(pipe.in, line, sizeof line), static_cast<ssize_t>(sizeof line));
    });
  }
  close(pipe.in);
  char line[100];
  size_t lines = 0;
  for (;;) {
    size_t have = 0;
    for (ssize_t got; have < sizeof line && (got = read(pipe.out, line + have, sizeof line - have)) > 0;) {
      have += static_cast<size_t>(got);
    }
    if (have == 0) break;
    CHECK_EQ(have, sizeof line);
    for (char byte : line) CHECK_EQ(byte, line[0]);
    lines++;
  }
  CHECK_EQ(lines, 1000u);
}

TEST(seek_on_a_pipe_says_ESPIPE) {
  const Pipe pipe;
  CHECK_ERRNO(lseek(pipe.out, 0, SEEK_CUR), ESPIPE);
  char byte;
  CHECK_ERRNO(pread(pipe.out, &byte, 1, 0), ESPIPE);
}

TEST(wrong_end_says_EBADF) {
  const Pipe pipe;
  char byte = 0;
  CHECK_ERRNO(write(pipe.out, &byte, 1), EBADF);
  CHECK_ERRNO(read(pipe.in, &byte, 1), EBADF);
}

TEST(pipe2_rejects_unknown_flags_and_bad_pointers) {
  int ends[2];
  CHECK_ERRNO(pipe2(ends, O_APPEND), EINVAL);
  CHECK_ERRNO(pipe2(reinterpret_cast<int*>(8), 0), EFAULT);
}

TEST(fifo_connects_two_openers) {
  CHECK_OK(mkfifo("/tmp/fifo", 0600));
  const pid_t writer = start_child([] {
    const int in = CHECK_OK(open("/tmp/fifo", O_WRONLY));
    CHECK_EQ(write(in, "through", 7), 7);
  });
  const int out = CHECK_OK(open("/tmp/fifo", O_RDONLY));
  char text[8] = {};
  CHECK_EQ(read(out, text, 7), 7);
  CHECK_EQ(static_cast<const char*>(text), "through");
  CHECK_EQ(read(out, text, 7), 0);
  CHECK_EQ(wait_for(writer), 0);
  CHECK_OK(unlink("/tmp/fifo"));
}

TEST(fifo_nonblocking_writer_without_reader_says_ENXIO) {
  CHECK_OK(mkfifo("/tmp/fifo2", 0600));
  CHECK_ERRNO(open("/tmp/fifo2", O_WRONLY | O_NONBLOCK), ENXIO);
  close(CHECK_OK(open("/tmp/fifo2", O_RDONLY | O_NONBLOCK)));
  CHECK_OK(unlink("/tmp/fifo2"));
}

TEST(poll_tells_data_room_and_hangup) {
  const Pipe pipe;
  pollfd out = {pipe.out, POLLIN, 0}, in = {pipe.in, POLLOUT, 0};
  CHECK_EQ(poll(&out, 1, 0), 0);
  CHECK_EQ(poll(&in, 1, 0), 1);
  CHECK_EQ(in.revents, static_cast<short>(POLLOUT));
  fill(pipe.in);
  CHECK_EQ(poll(&in, 1, 0), 0);
  CHECK_EQ(poll(&out, 1, 0), 1);
  CHECK_EQ(out.revents, static_cast<short>(POLLIN));
  close(pipe.in);
  CHECK_EQ(poll(&out, 1, 0), 1);
  CHECK_EQ(out.revents, static_cast<short>(POLLIN | POLLHUP));
}

TEST(reading_is_interrupted_by_a_signal) {
  const Pipe pipe;
  struct sigaction action = {};
  action.sa_handler = [](int) {};
  CHECK_OK(sigaction(SIGALRM, &action, nullptr));
  alarm(1);
  char byte;
  CHECK_ERRNO(read(pipe.out, &byte, 1), EINTR);
}

TEST(reading_restarts_with_SA_RESTART) {
  const Pipe pipe;
  static int in;
  in = pipe.in;
  struct sigaction action = {};
  action.sa_handler = [](int) { (void)!write(in, "!", 1); };
  action.sa_flags = SA_RESTART;
  CHECK_OK(sigaction(SIGALRM, &action, nullptr));
  alarm(1);
  char byte = 0;
  CHECK_EQ(read(pipe.out, &byte, 1), 1);
  CHECK_EQ(byte, '!');
}

TEST(pipe_that_is_opened_again_waits_for_nobody) {
  const Pipe pipe;
  CHECK_EQ(write(pipe.in, "end", 3), 3);
  close(pipe.in);
  char path[32], text[8];
  snprintf(path, sizeof path, "/proc/self/fd/%d", pipe.out);
  alarm(5);
  const int again = CHECK_OK(open(path, O_RDONLY));
  CHECK_EQ(read(again, text, sizeof text), 3);
  CHECK_EQ(read(again, text, sizeof text), 0);
  pollfd watched = {again, POLLIN, 0};
  CHECK_EQ(poll(&watched, 1, 0), 1);
  CHECK(watched.revents & POLLHUP);
}
