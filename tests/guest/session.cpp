// SPDX-License-Identifier: BSD-2-Clause
// Process groups, sessions, terminals and job control, on a pseudo-terminal.
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "check.h"

namespace {
struct Terminal {
  Terminal() {
    master = CHECK_OK(posix_openpt(O_RDWR | O_NOCTTY));
    CHECK_OK(grantpt(master));
    CHECK_OK(unlockpt(master));
    slave_name = strdup(ptsname(master));
    CHECK(slave_name != nullptr);
  }
  // In a child: a new session on this terminal.
  int take() const {
    CHECK_OK(setsid());
    const int slave = CHECK_OK(open(slave_name, O_RDWR));
    CHECK_OK(ioctl(slave, TIOCSCTTY, 0));
    return slave;
  }
  void type(const char* text) const {
    CHECK_EQ(write(master, text, strlen(text)), static_cast<ssize_t>(strlen(text)));
  }
  // What the terminal shows, until it contains `wanted`.
  bool shows(const char* wanted) {
    for (;;) {
      if (strstr(screen, wanted)) return true;
      pollfd watched = {master, POLLIN, 0};
      if (poll(&watched, 1, 5000) != 1 || have + 1 >= sizeof screen) return false;
      const ssize_t got = read(master, screen + have, sizeof screen - 1 - have);
      if (got <= 0) return false;
      have += static_cast<size_t>(got);
    }
  }
  int master;
  const char* slave_name;
  char screen[8192] = {};
  size_t have = 0;
};

void set_local_modes(int slave, tcflag_t clear) {
  termios modes;
  CHECK_OK(tcgetattr(slave, &modes));
  modes.c_lflag &= ~clear;
  modes.c_cc[VMIN] = 1;
  modes.c_cc[VTIME] = 0;
  CHECK_OK(tcsetattr(slave, TCSANOW, &modes));
}
}  // namespace

TEST(K2_child_is_in_its_parents_group_and_session) {
  const pid_t group = getpgrp(), session = getsid(0);
  CHECK_EQ(in_child([=] {
             CHECK_EQ(getpgrp(), group);
             CHECK_EQ(getsid(0), session);
           }),
           0);
}

TEST(setpgid_rules) {
  CHECK_ERRNO(setpgid(0, -1), EINVAL);
  CHECK_ERRNO(setpgid(1, 1), ESRCH);
  CHECK_EQ(in_child([] {
             CHECK_ERRNO(setpgid(0, 1), EPERM);  // a group of another session
             CHECK_OK(setpgid(0, 0));
             CHECK_EQ(getpgrp(), getpid());
           }),
           0);
  Gate executed;
  int ends[2];
  CHECK_OK(pipe(ends));
  const pid_t child = start_child([&] {
    dup2(ends[1], STDOUT_FILENO);
    execl("/bin/sh", "sh", "-c", "echo; sleep 100", static_cast<char*>(nullptr));
  });
  char byte;
  CHECK_EQ(read(ends[0], &byte, 1), 1);
  CHECK_ERRNO(setpgid(child, child), EACCES);  // it has called exec
  CHECK_OK(kill(child, SIGKILL));
  wait_for(child);
}

TEST(setsid_makes_a_leader_of_both_and_refuses_group_leaders) {
  CHECK_EQ(in_child([] {
             CHECK_EQ(setsid(), getpid());
             CHECK_EQ(getsid(0), getpid());
             CHECK_EQ(getpgrp(), getpid());
             CHECK_ERRNO(setsid(), EPERM);
             CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
             CHECK_ERRNO(setpgid(0, 0), EPERM);
           }),
           0);
}

TEST(canonical_mode_hands_over_lines_and_echoes) {
  Terminal terminal;
  const int slave = CHECK_OK(open(terminal.slave_name, O_RDWR | O_NOCTTY));
  CHECK(isatty(slave));
  terminal.type("helo\177lo");
  pollfd watched = {slave, POLLIN, 0};
  CHECK_EQ(poll(&watched, 1, 50), 0);
  terminal.type("\n");
  char line[32] = {};
  CHECK_EQ(read(slave, line, sizeof line), 6);
  CHECK_EQ(static_cast<const char*>(line), "hello\n");
  CHECK(terminal.shows("helo\b \blo\r\n"));
}

TEST(end_of_file_character_ends_a_read) {
  Terminal terminal;
  const int slave = CHECK_OK(open(terminal.slave_name, O_RDWR | O_NOCTTY));
  char line[8];
  terminal.type("ab\4");
  CHECK_EQ(read(slave, line, sizeof line), 2);
  terminal.type("\4");
  CHECK_EQ(read(slave, line, sizeof line), 0);
}

TEST(raw_mode_hands_over_bytes_unchanged) {
  Terminal terminal;
  const int slave = CHECK_OK(open(terminal.slave_name, O_RDWR | O_NOCTTY));
  termios modes;
  CHECK_OK(tcgetattr(slave, &modes));
  cfmakeraw(&modes);
  CHECK_OK(tcsetattr(slave, TCSANOW, &modes));
  terminal.type("\3\r");
  char bytes[4] = {};
  CHECK_EQ(read(slave, bytes, sizeof bytes), 2);
  CHECK_EQ(bytes[0], 3);
  CHECK_EQ(bytes[1], '\r');
  CHECK_EQ(write(slave, "a\nb", 3), 3);
  CHECK_EQ(read(terminal.master, bytes, sizeof bytes), 3);
  CHECK_EQ(bytes[1], '\n');
}

TEST(output_newline_becomes_return_and_newline) {
  Terminal terminal;
  const int slave = CHECK_OK(open(terminal.slave_name, O_RDWR | O_NOCTTY));
  CHECK_EQ(write(slave, "x\n", 2), 2);
  CHECK(terminal.shows("x\r\n"));
}

TEST(control_c_reaches_the_foreground_group_alone) {
  Terminal terminal;
  Gate ready;
  const pid_t leader = start_child([&] {
    const int slave = terminal.take();
    const pid_t background = start_child([] {
      setpgid(0, 0);
      for (;;) pause();
    });
    setpgid(background, background);
    const pid_t foreground = start_child([&] {
      setpgid(0, 0);
      ready.open();
      for (;;) pause();
    });
    setpgid(foreground, foreground);
    CHECK_OK(tcsetpgrp(slave, foreground));
    CHECK_EQ(tcgetpgrp(slave), foreground);
    ready.open();
    CHECK_EQ(wait_for(foreground), 128 + SIGINT);
    CHECK_EQ(waitpid(background, nullptr, WNOHANG), 0);
    CHECK_OK(kill(background, SIGKILL));
    wait_for(background);
  });
  ready.wait();
  ready.wait();
  terminal.type("\3");
  CHECK_EQ(wait_for(leader), 0);
  CHECK(terminal.shows("^C"));
}

TEST(control_z_stops_the_foreground_group) {
  Terminal terminal;
  Gate ready;
  const pid_t leader = start_child([&] {
    const int slave = terminal.take();
    const pid_t job = start_child([&] {
      setpgid(0, 0);
      signal(SIGTTOU, SIG_IGN);
      CHECK_OK(tcsetpgrp(slave, getpgrp()));
      ready.open();
      for (;;) pause();
    });
    int how;
    CHECK_EQ(waitpid(job, &how, WUNTRACED), job);
    CHECK(WIFSTOPPED(how));
    CHECK_EQ(WSTOPSIG(how), SIGTSTP);
    CHECK_OK(kill(job, SIGKILL));
    wait_for(job);
  });
  ready.wait();
  terminal.type("\x1a");
  CHECK_EQ(wait_for(leader), 0);
}

TEST(background_read_raises_SIGTTIN) {
  const Terminal terminal;
  CHECK_EQ(in_child([&] {
             const int slave = terminal.take();
             const pid_t job = start_child([&] {
               setpgid(0, 0);
               char byte;
               (void)!read(slave, &byte, 1);
             });
             int how;
             CHECK_EQ(waitpid(job, &how, WUNTRACED), job);
             CHECK(WIFSTOPPED(how));
             CHECK_EQ(WSTOPSIG(how), SIGTTIN);
             CHECK_OK(kill(job, SIGKILL));
             wait_for(job);
           }),
           0);
}

TEST(orphaned_group_reading_in_the_background_says_EIO) {
  const Terminal terminal;
  auto& error = shared<int>();
  Gate middle_gone, done;
  CHECK_EQ(in_child([&] {
             const int slave = terminal.take();
             CHECK_EQ(in_child([&] {
                        start_child([&] {
                          setpgid(0, 0);
                          middle_gone.wait();
                          char byte;
                          error = read(slave, &byte, 1) < 0 ? errno : 0;
                          done.open();
                        });
                      }),
                      0);
             middle_gone.open();
             done.wait();
           }),
           0);
  CHECK_EQ(error, EIO);
}

TEST(hangup_reaches_the_session) {
  Terminal terminal;
  Gate ready;
  const pid_t leader = start_child([&] {
    close(terminal.master);
    terminal.take();
    ready.open();
    for (;;) pause();
  });
  ready.wait();
  CHECK_OK(close(terminal.master));
  CHECK_EQ(wait_for(leader), 128 + SIGHUP);
}

TEST(C7_controlling_terminal_is_inherited) {
  const Terminal terminal;
  CHECK_EQ(in_child([&] {
             terminal.take();
             CHECK_EQ(in_child([] { CHECK_OK(open("/dev/tty", O_RDWR)); }), 0);
             CHECK_EQ(in_child([] {
                        CHECK_OK(setsid());
                        CHECK_ERRNO(open("/dev/tty", O_RDWR), ENXIO);
                      }),
                      0);
           }),
           0);
}

TEST(window_size_changes_raise_SIGWINCH) {
  Terminal terminal;
  Gate ready;
  const pid_t leader = start_child([&] {
    const int slave = terminal.take();
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGWINCH);
    CHECK_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
    ready.open();
    int got;
    CHECK_EQ(sigwait(&set, &got), 0);
    winsize size;
    CHECK_OK(ioctl(slave, TIOCGWINSZ, &size));
    CHECK_EQ(size.ws_row, static_cast<unsigned short>(40));
  });
  ready.wait();
  const winsize size = {40, 100, 0, 0};
  CHECK_OK(ioctl(terminal.master, TIOCSWINSZ, &size));
  CHECK_EQ(wait_for(leader), 0);
}

TEST(shell_on_a_terminal_runs_jobs) {
  Terminal terminal;
  const pid_t shell = start_child([&] {
    const int slave = terminal.take();
    set_local_modes(slave, ECHO);
    for (int file = 0; file < 3; file++) dup2(slave, file);
    setenv("PS1", "ready> ", 1);
    execl("/bin/bash", "bash", "--norc", "--noediting", "-i", static_cast<char*>(nullptr));
  });
  CHECK(terminal.shows("ready> "));
  terminal.type("echo $((6*7))-answer | cat\n");
  CHECK(terminal.shows("42-answer"));
  terminal.type("sleep 100 & jobs; kill %1; wait; echo waited\n");
  CHECK(terminal.shows("Running"));
  CHECK(terminal.shows("waited"));
  terminal.type("exit 5\n");
  CHECK_EQ(wait_for(shell), 5);
}

TEST(failed_setsid_leaves_the_group_and_the_session_as_they_are) {
  CHECK_EQ(in_child([] {
             CHECK_OK(setpgid(0, 0));
             CHECK_ERRNO(setsid(), EPERM);
             CHECK_OK(kill(-getpid(), 0));
             CHECK_OK(getpgid(0));
           }),
           0);
  CHECK_EQ(in_child([] {
             CHECK_OK(setsid());
             CHECK_ERRNO(setsid(), EPERM);
             CHECK_OK(kill(-getpid(), 0));
             const pid_t member = start_child([] { pause(); });
             CHECK_OK(setpgid(member, member));
             CHECK_OK(setpgid(member, getpid()));
             CHECK_OK(kill(member, SIGKILL));
             wait_for(member);
           }),
           0);
}

// A group that all members have left is none, though a terminal may still have it in the foreground.
TEST(setsid_succeeds_where_the_callers_old_group_is_empty) {
  const Terminal terminal;
  CHECK_EQ(in_child([&] {
             const int slave = terminal.take();
             signal(SIGTTOU, SIG_IGN);
             const pid_t leader = getpid();
             CHECK_EQ(in_child([=] {
                        CHECK_OK(setpgid(0, 0));
                        CHECK_OK(tcsetpgrp(slave, getpid()));
                        CHECK_OK(setpgid(0, leader));
                        CHECK_OK(setsid());
                        CHECK_EQ(getpgrp(), getpid());
                        CHECK_ERRNO(tcgetpgrp(slave), ENOTTY);
                      }),
                      0);
             CHECK_OK(tcsetpgrp(slave, leader));
           }),
           0);
}

TEST(setpgid_refuses_a_group_that_all_have_left) {
  const Terminal terminal;
  CHECK_EQ(in_child([&] {
             const int slave = terminal.take();
             signal(SIGTTOU, SIG_IGN);
             const pid_t leader = getpid();
             Gate left;
             const pid_t child = start_child([&] {
               CHECK_OK(setpgid(0, 0));
               CHECK_OK(tcsetpgrp(slave, getpid()));
               CHECK_OK(setpgid(0, leader));
               left.open();
               for (;;) pause();
             });
             left.wait();
             CHECK_EQ(in_child([=] { CHECK_ERRNO(setpgid(0, child), EPERM); }), 0);
             CHECK_OK(setpgid(child, child));
             CHECK_EQ(tcgetpgrp(slave), child);
             CHECK_OK(kill(child, SIGTERM));
             CHECK_EQ(wait_for(child), 128 + SIGTERM);
           }),
           0);
}

// As shells do it: whoever is first makes the child's group.
TEST(parent_and_child_may_both_make_the_childs_group) {
  for (int i = 0; i < 150; i++) {
    Gate made;
    const pid_t child = start_child([&] {
      CHECK_OK(setpgid(0, 0));
      made.open();
      pause();
    });
    CHECK_OK(setpgid(child, child));
    made.wait();
    CHECK_EQ(getpgid(child), child);
    CHECK_OK(kill(-child, SIGKILL));
    CHECK_EQ(waitpid(-child, nullptr, 0), child);
  }
}
