// SPDX-License-Identifier: BSD-2-Clause
// Terminals, tried through ptys: the line discipline, job control, hanging up. Source: termios(3), pty(7), tty_ioctl(4).
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>

#include "check.h"

namespace {

struct Pty {
  int master, slave;
};

int open_master() {
  const int master = CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
  CHECK_OK(grantpt(master));
  CHECK_OK(unlockpt(master));
  return master;
}

Pty open_pty() {
  const int master = open_master();
  return {master, CHECK_OK(open(ptsname(master), O_RDWR | O_NOCTTY))};
}

void type(const Pty& pty, const char* text) {
  CHECK_EQ(write(pty.master, text, strlen(text)), static_cast<ssize_t>(strlen(text)));
}

// One read, as a string. Static storage.
const char* read_string(int file) {
  static char text[4096];
  const ssize_t size = CHECK_OK(read(file, text, sizeof text - 1));
  text[size] = '\0';
  return text;
}

// What comes next is `text`, in one piece or several: Linux's driver hands on each piece of output by itself.
void expect_text(int file, const char* text) {
  char got[4096];
  const size_t size = strlen(text);
  for (size_t have = 0; have < size;) {
    const ssize_t count = CHECK_OK(read(file, got + have, size - have));
    CHECK(count > 0);
    have += static_cast<size_t>(count);
    got[have] = '\0';
    CHECK(strncmp(got, text, have) == 0);
  }
}

bool is_ready(int file, short events) {
  pollfd request = {file, events, 0};
  return CHECK_OK(poll(&request, 1, 0)) == 1 && (request.revents & events) != 0;
}

termios get_settings(int file) {
  termios settings;
  CHECK_OK(tcgetattr(file, &settings));
  return settings;
}

void set_raw(int file, int least, int tenths) {
  termios settings = get_settings(file);
  cfmakeraw(&settings);
  settings.c_cc[VMIN] = static_cast<cc_t>(least);
  settings.c_cc[VTIME] = static_cast<cc_t>(tenths);
  CHECK_OK(tcsetattr(file, TCSANOW, &settings));
}

// Types much, waiting for room.
pid_t start_typist(const Pty& pty, size_t size) {
  return start_child([&] {
    static char text[100'000];
    for (size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i * 7);
    for (size_t done = 0; done < size;) done += static_cast<size_t>(CHECK_OK(write(pty.master, text + done, size - done)));
  });
}

// The calling process becomes the leader of a session that the slave controls.
void take_terminal(const Pty& pty) {
  CHECK_OK(setsid());
  CHECK_OK(ioctl(pty.slave, TIOCSCTTY, 0));
}

volatile sig_atomic_t caught;
void note(int signal) { caught = signal; }

}  // namespace

TEST(pty_a_line_is_echoed_and_read_at_its_end) {
  const Pty pty = open_pty();
  type(pty, "abc");
  CHECK(!is_ready(pty.slave, POLLIN));
  type(pty, "\r");
  CHECK_EQ(read_string(pty.slave), "abc\n");
  expect_text(pty.master, "abc\r\n");
}

TEST(pty_output_is_processed) {
  const Pty pty = open_pty();
  CHECK_EQ(write(pty.slave, "x\ny\n", 4), 4);
  expect_text(pty.master, "x\r\ny\r\n");
}

TEST(pty_editing_characters_change_the_line) {
  const Pty pty = open_pty();
  type(pty, "one two\x17three\x7f\x7f" "E\n");
  CHECK_EQ(read_string(pty.slave), "one thrE\n");
}

TEST(pty_end_of_file_is_a_read_of_nothing) {
  const Pty pty = open_pty();
  type(pty, "\x04");
  CHECK_EQ(read_string(pty.slave), "");
  type(pty, "text\x04");
  CHECK_EQ(read_string(pty.slave), "text");
}

TEST(pty_raw_mode_returns_bytes_as_they_come) {
  const Pty pty = open_pty();
  set_raw(pty.slave, 1, 0);
  type(pty, "\x03\r");
  CHECK_EQ(read_string(pty.slave), "\x03\r");
  CHECK(!is_ready(pty.master, POLLIN));   // no echo
}

TEST(pty_raw_mode_without_a_minimum_does_not_wait) {
  const Pty pty = open_pty();
  set_raw(pty.slave, 0, 0);
  CHECK_EQ(read_string(pty.slave), "");
}

TEST(pty_raw_mode_waits_as_long_as_vtime_says) {
  const Pty pty = open_pty();
  set_raw(pty.slave, 0, 2);
  const int64_t start = now_ns();
  CHECK_EQ(read_string(pty.slave), "");
  CHECK(now_ns() - start >= 180'000'000);
}

TEST(pty_raw_mode_waits_for_the_minimum) {
  const Pty pty = open_pty();
  set_raw(pty.slave, 3, 0);
  const pid_t typist = start_child([&] {
    for (const char* c = "xyz"; *c != '\0'; ++c) {
      CHECK_EQ(write(pty.master, c, 1), 1);
      sleep_ms(20);
    }
  });
  CHECK_EQ(read_string(pty.slave), "xyz");
  CHECK_EQ(wait_for(typist), 0);
}

TEST(pty_reading_without_waiting_says_again) {
  const Pty pty = open_pty();
  char byte;
  CHECK_OK(fcntl(pty.slave, F_SETFL, O_RDWR | O_NONBLOCK));
  CHECK_ERRNO(read(pty.slave, &byte, 1), EAGAIN);
  CHECK_OK(fcntl(pty.master, F_SETFL, O_RDWR | O_NONBLOCK));
  CHECK_ERRNO(read(pty.master, &byte, 1), EAGAIN);
}

TEST(pty_stop_and_start_characters_hold_output) {
  const Pty pty = open_pty();
  type(pty, "\x13");
  sleep_ms(50);   // Linux processes input in the background
  CHECK_OK(fcntl(pty.slave, F_SETFL, O_RDWR | O_NONBLOCK));
  char byte;
  (void)write(pty.slave, "held", 4);
  CHECK_OK(fcntl(pty.master, F_SETFL, O_RDWR | O_NONBLOCK));
  CHECK_ERRNO(read(pty.master, &byte, 1), EAGAIN);
}

TEST(pty_the_number_of_waiting_bytes_is_told) {
  const Pty pty = open_pty();
  int count = -1;
  type(pty, "abcd\n");
  CHECK(eventually([&] { return is_ready(pty.slave, POLLIN); }));
  CHECK_OK(ioctl(pty.slave, FIONREAD, &count));
  CHECK_EQ(count, 5);
}

TEST(pty_the_slave_is_locked_at_first) {
  const int master = CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
  unsigned number = 0;
  CHECK_OK(ioctl(master, TIOCGPTN, &number));
  char name[32];
  snprintf(name, sizeof name, "/dev/pts/%u", number);
  CHECK_ERRNO(open(name, O_RDWR | O_NOCTTY), EIO);
  CHECK_OK(unlockpt(master));
  CHECK_OK(open(name, O_RDWR | O_NOCTTY));
}

TEST(pty_the_node_goes_with_the_master) {
  const int master = open_master();
  char name[64];
  CHECK_EQ(ptsname_r(master, name, sizeof name), 0);
  struct stat status;
  CHECK_OK(stat(name, &status));
  CHECK(S_ISCHR(status.st_mode));
  close(master);
  CHECK_ERRNO(stat(name, &status), ENOENT);
}

TEST(pty_the_peer_can_be_opened_from_the_master) {
  const int master = open_master();
  const int slave = CHECK_OK(ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY));
  CHECK_EQ(write(slave, "hello", 5), 5);
  expect_text(master, "hello");
}

TEST(pty_the_master_sees_that_the_slave_was_closed) {
  const Pty pty = open_pty();
  CHECK_EQ(write(pty.slave, "last", 4), 4);
  close(pty.slave);
  expect_text(pty.master, "last");
  char byte;
  CHECK_ERRNO(read(pty.master, &byte, 1), EIO);
  CHECK(is_ready(pty.master, POLLHUP));
  const int again = CHECK_OK(open(ptsname(pty.master), O_RDWR | O_NOCTTY));
  CHECK_EQ(write(again, "new", 3), 3);
  expect_text(pty.master, "new");
}

TEST(pty_closing_the_master_hangs_up) {
  const Pty pty = open_pty();
  close(pty.master);
  CHECK(is_ready(pty.slave, POLLHUP));
  CHECK_EQ(read_string(pty.slave), "");
  CHECK_ERRNO(write(pty.slave, "x", 1), EIO);
}

TEST(pty_closing_the_master_signals_the_session_leader) {
  const Pty pty = open_pty();
  Gate ready;
  const pid_t leader = start_child([&] {
    close(pty.master);
    take_terminal(pty);
    ready.open();
    while (true) pause();
  });
  ready.wait();
  close(pty.master);
  CHECK_EQ(wait_for(leader), 128 + SIGHUP);
}

TEST(pty_control_c_interrupts_the_foreground_group) {
  const Pty pty = open_pty();
  Gate ready;
  const pid_t child = start_child([&] {
    take_terminal(pty);
    ready.open();
    while (true) pause();
  });
  ready.wait();
  type(pty, "\x03");
  CHECK_EQ(wait_for(child), 128 + SIGINT);
  expect_text(pty.master, "^C");
}

TEST(pty_control_z_stops_and_the_shell_continues) {
  const Pty pty = open_pty();
  Gate ready;
  const pid_t shell = start_child([&] {
    take_terminal(pty);
    signal(SIGTTOU, SIG_IGN);
    const pid_t job = start_child([&] {
      CHECK_OK(setpgid(0, 0));
      CHECK_OK(tcsetpgrp(pty.slave, getpid()));
      ready.open();
      while (true) pause();
    });
    int status = 0;
    CHECK_EQ(waitpid(job, &status, WUNTRACED), job);
    CHECK(WIFSTOPPED(status));
    CHECK_EQ(WSTOPSIG(status), SIGTSTP);
    CHECK_EQ(tcgetpgrp(pty.slave), job);
    CHECK_OK(kill(job, SIGCONT));
    CHECK_EQ(waitpid(job, &status, WCONTINUED), job);
    CHECK(WIFCONTINUED(status));
    CHECK_OK(kill(job, SIGTERM));
    CHECK_EQ(wait_for(job), 128 + SIGTERM);
  });
  ready.wait();
  type(pty, "\x1a");
  CHECK_EQ(wait_for(shell), 0);
}

TEST(pty_reading_in_the_background_stops) {
  const Pty pty = open_pty();
  const int status = in_child([&] {
    take_terminal(pty);
    const pid_t job = start_child([&] {
      CHECK_OK(setpgid(0, 0));
      char byte;
      CHECK_EQ(read(pty.slave, &byte, 1), 1);   // once it is in the foreground
      CHECK_EQ(byte, 'q');
    });
    int stopped = 0;
    CHECK_EQ(waitpid(job, &stopped, WUNTRACED), job);
    CHECK(WIFSTOPPED(stopped));
    CHECK_EQ(WSTOPSIG(stopped), SIGTTIN);
    signal(SIGTTOU, SIG_IGN);
    CHECK_OK(tcsetpgrp(pty.slave, job));
    type(pty, "q\n");
    CHECK_OK(kill(job, SIGCONT));
    CHECK_EQ(wait_for(job), 0);
  });
  CHECK_EQ(status, 0);
}

TEST(pty_writing_in_the_background_stops_only_if_asked) {
  const Pty pty = open_pty();
  const int status = in_child([&] {
    take_terminal(pty);
    CHECK_EQ(in_child([&] {
      CHECK_OK(setpgid(0, 0));
      CHECK_EQ(write(pty.slave, "free", 4), 4);
    }), 0);
    termios settings = get_settings(pty.slave);
    settings.c_lflag |= TOSTOP;
    CHECK_OK(tcsetattr(pty.slave, TCSANOW, &settings));
    const pid_t job = start_child([&] {
      CHECK_OK(setpgid(0, 0));
      (void)write(pty.slave, "held", 4);
    });
    int stopped = 0;
    CHECK_EQ(waitpid(job, &stopped, WUNTRACED), job);
    CHECK(WIFSTOPPED(stopped));
    CHECK_EQ(WSTOPSIG(stopped), SIGTTOU);
    kill(job, SIGKILL);
    wait_for(job);
  });
  CHECK_EQ(status, 0);
}

TEST(pty_an_orphaned_background_group_cannot_read) {
  const Pty pty = open_pty();
  int& error = shared<int>();
  const int status = in_child([&] {
    take_terminal(pty);
    Gate orphaned, done;
    in_child([&] {                       // the middle process ends at once
      start_child([&] {
        CHECK_OK(setpgid(0, 0));
        orphaned.wait();
        char byte;
        error = read(pty.slave, &byte, 1) == -1 ? errno : -1;
        done.open();
      });
    });
    orphaned.open();
    done.wait();
  });
  CHECK_EQ(status, 0);
  CHECK_EQ(error, EIO);
}

TEST(pty_a_background_read_with_sigttin_ignored_fails) {
  const Pty pty = open_pty();
  const int status = in_child([&] {
    take_terminal(pty);
    CHECK_EQ(in_child([&] {
      CHECK_OK(setpgid(0, 0));
      signal(SIGTTIN, SIG_IGN);
      char byte;
      CHECK_ERRNO(read(pty.slave, &byte, 1), EIO);
    }), 0);
  });
  CHECK_EQ(status, 0);
}

TEST(pty_the_foreground_group_and_session_are_told) {
  const Pty pty = open_pty();
  const int status = in_child([&] {
    CHECK_ERRNO(tcgetpgrp(pty.slave), ENOTTY);
    take_terminal(pty);
    CHECK_EQ(tcgetpgrp(pty.slave), getpid());
    CHECK_EQ(tcgetsid(pty.slave), getpid());
    CHECK_ERRNO(tcsetpgrp(pty.slave, getppid()), EPERM);   // of another session
    CHECK_ERRNO(tcsetpgrp(pty.slave, -1), EINVAL);
  });
  CHECK_EQ(status, 0);
}

TEST(pty_opening_makes_it_the_controlling_terminal) {
  const int master = open_master();
  const int status = in_child([&] {
    CHECK_OK(setsid());
    CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
    const int slave = CHECK_OK(open(ptsname(master), O_RDWR));
    CHECK_EQ(tcgetsid(slave), getpid());
    const int own = CHECK_OK(open("/dev/tty", O_RDWR));
    CHECK_EQ(write(own, "own", 3), 3);
    expect_text(master, "own");
    CHECK_OK(ioctl(own, TIOCNOTTY));
  });
  CHECK_EQ(status, 128 + SIGHUP);   // TIOCNOTTY by the leader signals the foreground group: itself
}

TEST(pty_the_end_of_the_leader_signals_the_foreground_and_frees_the_terminal) {
  const Pty pty = open_pty();
  Gate ready, done;
  int& result = shared<int>();
  const pid_t leader = start_child([&] {
    take_terminal(pty);
    start_child([&] {
      signal(SIGHUP, note);
      ready.open();
      CHECK(eventually([] { return caught == SIGHUP; }));
      result = open("/dev/tty", O_RDWR) == -1 ? errno : -1;
      done.open();
    });
    ready.wait();
  });
  CHECK_EQ(wait_for(leader), 0);
  done.wait();
  CHECK_EQ(result, ENXIO);
  CHECK_EQ(in_child([&] { take_terminal(pty); }), 0);
}

TEST(pty_a_new_window_size_is_signalled) {
  const Pty pty = open_pty();
  Gate ready;
  const pid_t child = start_child([&] {
    take_terminal(pty);
    signal(SIGWINCH, note);
    ready.open();
    CHECK(eventually([] { return caught == SIGWINCH; }));
    winsize size = {};
    CHECK_OK(ioctl(pty.slave, TIOCGWINSZ, &size));
    CHECK_EQ(size.ws_row, 50);
    CHECK_EQ(size.ws_col, 132);
  });
  ready.wait();
  winsize size = {50, 132, 0, 0};
  CHECK_OK(ioctl(pty.master, TIOCSWINSZ, &size));
  CHECK_EQ(wait_for(child), 0);
}

TEST(pty_much_output_arrives_whole) {
  const Pty pty = open_pty();
  set_raw(pty.slave, 1, 0);
  constexpr int kLines = 5000;
  const pid_t writer = start_child([&] {
    for (int i = 0; i < kLines; ++i) {
      char line[32];
      const int size = snprintf(line, sizeof line, "%06d\n", i);
      CHECK_EQ(write(pty.slave, line, static_cast<size_t>(size)), size);
    }
  });
  for (int i = 0; i < kLines; ++i) {
    char line[8] = {};
    for (int have = 0; have < 7;) have += static_cast<int>(CHECK_OK(read(pty.master, line + have, static_cast<size_t>(7 - have))));
    CHECK_EQ(atoi(line), i);
  }
  CHECK_EQ(wait_for(writer), 0);
}

TEST(pty_much_input_waits_for_its_reader) {
  const Pty pty = open_pty();
  set_raw(pty.slave, 1, 0);
  constexpr size_t kSize = 100'000;
  const pid_t typist = start_typist(pty, kSize);
  static char got[kSize];
  for (size_t have = 0; have < kSize;) have += static_cast<size_t>(CHECK_OK(read(pty.slave, got + have, kSize - have)));
  for (size_t i = 0; i < kSize; ++i) CHECK_EQ(got[i], static_cast<char>(i * 7));
  CHECK_EQ(wait_for(typist), 0);
}

TEST(pty_flushing_input_lets_who_types_go_on) {
  if (access("/proc/tine", F_OK) != 0) SKIP("Linux lets them wait for a reader");
  const Pty pty = open_pty();
  set_raw(pty.slave, 1, 0);
  const termios raw = get_settings(pty.slave);
  const pid_t typist = start_typist(pty, 100'000);
  int status = -1;
  CHECK(eventually([&] {
    CHECK_OK(tcsetattr(pty.slave, TCSAFLUSH, &raw));
    return CHECK_OK(waitpid(typist, &status, WNOHANG)) == typist;
  }));
  CHECK_EQ(status, 0);
}

TEST(pty_hanging_up_lets_who_types_go_on) {
  const Pty pty = open_pty();
  set_raw(pty.slave, 1, 0);
  const pid_t typist = start_typist(pty, 6000);   // fits into a queue emptied once
  sleep_ms(20);
  const pid_t leader = start_child([&] {
    signal(SIGHUP, SIG_IGN);
    take_terminal(pty);
    CHECK_OK(vhangup());
  });
  CHECK_EQ(wait_for(leader), 0);
  int status = -1;
  CHECK(eventually([&] { return CHECK_OK(waitpid(typist, &status, WNOHANG)) == typist; }));
  CHECK_EQ(status, 0);
}

TEST(pty_the_directory_lists_all) {
  const Pty one = open_pty(), two = open_pty();
  int found = 0;
  DIR* directory = opendir("/dev/pts");
  CHECK(directory != nullptr);
  while (const dirent* entry = readdir(directory)) {
    char path[300], name[64];
    snprintf(path, sizeof path, "/dev/pts/%s", entry->d_name);
    for (const int master : Ints{one.master, two.master})
      found += ptsname_r(master, name, sizeof name) == 0 && strcmp(name, path) == 0;
    found += strcmp(entry->d_name, "ptmx") == 0;
  }
  closedir(directory);
  CHECK_EQ(found, 3);
}
