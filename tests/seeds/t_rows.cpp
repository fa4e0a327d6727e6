// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// Seed rows T1-T6, T8, C16: who hears of a fork. kqueue, the fork hooks, the tracepoint, the counters, accounting, ktrace.
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/event.h>
#include <sys/prctl.h>
#include <sys/ktrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <tine/syscall.h>

#include "kernel_state.h"

namespace {

// The bare calls, so that this file tests the kernel alone.
int new_kqueue() { return static_cast<int>(syscall(TINE_SYS_kqueue, 0)); }
int call_kevent(int kq, const struct kevent* changes, int change_count, struct kevent* events, int event_count,
                const timespec* timeout) {
  return static_cast<int>(syscall(TINE_SYS_kevent, kq, changes, change_count, events, event_count, timeout));
}
int call_ktrace(const char* file, int operation, int points, pid_t pid) {
  return static_cast<int>(syscall(TINE_SYS_ktrace, file, operation, points, pid));
}

void watch(int kq, uintptr_t ident, short filter, unsigned short flags, unsigned fflags, int64_t data = 0) {
  struct kevent change;
  EV_SET(&change, ident, filter, flags, fflags, data, nullptr);
  CHECK_EQ(call_kevent(kq, &change, 1, nullptr, 0, nullptr), 0);
}

// The next event within a second; its filter is 0 if there is none.
struct kevent next_event(int kq, long milliseconds = 1000) {
  struct kevent event = {};
  const timespec timeout = {milliseconds / 1000, milliseconds % 1000 * 1'000'000};
  CHECK(call_kevent(kq, nullptr, 0, &event, 1, &timeout) >= 0);
  return event;
}

uint64_t setting(const char* path) { return strtoull(check::read_text(path), nullptr, 10); }

}  // namespace

// --- T1: kqueue ---

TEST(T1_note_fork_tells_the_childs_pid) {
  const int kq = new_kqueue();
  CHECK(kq >= 0);
  watch(kq, getpid(), EVFILT_PROC, EV_ADD, NOTE_FORK);
  const pid_t child = check::start_child([] {});
  const struct kevent event = next_event(kq);
  CHECK_EQ(event.filter, EVFILT_PROC);
  CHECK_EQ(event.ident, static_cast<uintptr_t>(getpid()));
  CHECK_EQ(event.fflags, NOTE_FORK);
  CHECK_EQ(event.data, child);
  CHECK_EQ(check::wait_for(child), 0);
  CHECK_EQ(next_event(kq, 0).filter, 0);
}

TEST(T1_note_track_follows_child_and_grandchild) {
  const int kq = new_kqueue();
  watch(kq, getpid(), EVFILT_PROC, EV_ADD, NOTE_FORK | NOTE_TRACK | NOTE_EXIT);
  const pid_t child = check::start_child([] { _exit(check::in_child([] { _exit(5); }) == 5 ? 3 : 9); });
  CHECK_EQ(check::wait_for(child), 3);
  int children = 0, forks = 0, exits = 0;
  pid_t grandchild = 0;
  while (true) {
    const struct kevent event = next_event(kq, 200);
    if (event.filter == 0) break;
    CHECK_EQ(event.filter, EVFILT_PROC);
    if (event.fflags & NOTE_CHILD) {
      children++;
      if (event.ident == static_cast<uintptr_t>(child)) {
        CHECK_EQ(event.data, getpid());
      } else {
        grandchild = static_cast<pid_t>(event.ident);
        CHECK_EQ(event.data, child);
      }
    }
    if (event.fflags & NOTE_FORK) forks++;
    if (event.fflags & NOTE_EXIT) {
      exits++;
      CHECK(event.flags & EV_EOF);
      CHECK_EQ(event.data, event.ident == static_cast<uintptr_t>(child) ? 3 << 8 : 5 << 8);
    }
    CHECK(!(event.fflags & NOTE_TRACKERR));
  }
  CHECK_EQ(children, 2);
  CHECK(grandchild != 0);
  CHECK_EQ(exits, 2);
  CHECK(forks >= 1);
}

TEST(T1_note_exec_and_exit) {
  const int kq = new_kqueue();
  check::Gate gate;
  const pid_t child = check::start_child([&] {
    gate.wait();
    execl("/bin/busybox", "true", nullptr);
    _exit(9);
  });
  watch(kq, child, EVFILT_PROC, EV_ADD, NOTE_EXEC | NOTE_EXIT);
  gate.open();
  CHECK_EQ(check::wait_for(child), 0);
  unsigned seen = 0;
  for (struct kevent event; (event = next_event(kq, 200)).filter != 0;) seen |= event.fflags;
  CHECK_EQ(seen, NOTE_EXEC | NOTE_EXIT);
}

TEST(T1_a_process_that_is_gone_is_esrch) {
  const int kq = new_kqueue();
  const pid_t child = check::start_child([] {});
  CHECK_EQ(check::wait_for(child), 0);
  struct kevent change, event;
  EV_SET(&change, child, EVFILT_PROC, EV_ADD | EV_RECEIPT, NOTE_EXIT, 0, nullptr);
  CHECK_EQ(call_kevent(kq, &change, 1, &event, 1, nullptr), 1);
  CHECK(event.flags & EV_ERROR);
  CHECK_EQ(event.data, ESRCH);
}

TEST(T1_a_forked_child_does_not_inherit_a_kqueue) {
  const int kq = new_kqueue();
  const int status = check::in_child([&] {
    const timespec now = {};
    struct kevent event;
    CHECK_EQ(call_kevent(kq, nullptr, 0, &event, 1, &now), -1);
    CHECK_EQ(errno, EBADF);
  });
  CHECK_EQ(status, 0);
}

TEST(kqueue_read_write_and_end_of_a_pipe) {
  const int kq = new_kqueue();
  int ends[2];
  CHECK_EQ(pipe(ends), 0);
  watch(kq, ends[0], EVFILT_READ, EV_ADD, 0);
  CHECK_EQ(next_event(kq, 0).filter, 0);
  CHECK_EQ(write(ends[1], "four", 4), 4);
  struct kevent event = next_event(kq);
  CHECK_EQ(event.filter, EVFILT_READ);
  CHECK_EQ(event.data, 4);
  CHECK_EQ(next_event(kq).data, 4);  // level-triggered
  watch(kq, ends[1], EVFILT_WRITE, EV_ADD | EV_ONESHOT, 0);
  watch(kq, ends[0], EVFILT_READ, EV_DISABLE, 0);
  CHECK_EQ(next_event(kq).filter, EVFILT_WRITE);
  CHECK_EQ(next_event(kq, 0).filter, 0);
  watch(kq, ends[0], EVFILT_READ, EV_ENABLE, 0);
  close(ends[1]);
  event = next_event(kq);
  CHECK_EQ(event.filter, EVFILT_READ);
  CHECK(event.flags & EV_EOF);
}

TEST(kqueue_timer_user_and_signal) {
  const int kq = new_kqueue();
  watch(kq, 1, EVFILT_TIMER, EV_ADD, 0, 10);
  check::sleep_ms(60);
  CHECK(next_event(kq).data >= 3);
  watch(kq, 1, EVFILT_TIMER, EV_DELETE, 0);
  watch(kq, 2, EVFILT_USER, EV_ADD | EV_CLEAR, 0);
  CHECK_EQ(next_event(kq, 20).filter, 0);
  watch(kq, 2, EVFILT_USER, 0, NOTE_TRIGGER | NOTE_FFCOPY | 7);
  CHECK_EQ(next_event(kq).fflags, 7);
  CHECK_EQ(next_event(kq, 0).filter, 0);
  signal(SIGUSR1, SIG_IGN);
  watch(kq, SIGUSR1, EVFILT_SIGNAL, EV_ADD, 0);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR1);
  const struct kevent event = next_event(kq);
  CHECK_EQ(event.ident, static_cast<uintptr_t>(SIGUSR1));
  CHECK_EQ(event.data, 2);
}

TEST(kqueue_vnode_tells_writes_renames_and_deletion) {
  const int kq = new_kqueue();
  const int file = open("/tmp/vnode", O_CREAT | O_RDWR | O_TRUNC, 0600);
  CHECK(file >= 0);
  watch(kq, file, EVFILT_VNODE, EV_ADD | EV_CLEAR, NOTE_WRITE | NOTE_EXTEND | NOTE_RENAME | NOTE_DELETE);
  CHECK_EQ(write(file, "x", 1), 1);
  CHECK_EQ(next_event(kq).fflags, NOTE_WRITE | NOTE_EXTEND);
  CHECK_EQ(rename("/tmp/vnode", "/tmp/vnode2"), 0);
  CHECK_EQ(next_event(kq).fflags, NOTE_RENAME);
  CHECK_EQ(unlink("/tmp/vnode2"), 0);
  CHECK(next_event(kq).fflags & NOTE_DELETE);
}

// --- T2: hooks. The kernel's own check of order, warning, count and ENOMEM. ---

TEST(T2_fork_hooks) {
  if (syscall(TINE_SYS_self_test, "T2_fork_hooks") != 0) {
    if (errno == ENOSYS) SKIP("the kernel has no self-tests");
    CHECK_EQ(errno, 0);
  }
}

// --- T3: tracepoint ---

void keep_trace_events(const char* count) {
  const int file = open("/proc/sys/kern/trace_events", O_WRONLY);
  CHECK_EQ(write(file, count, strlen(count)), static_cast<ssize_t>(strlen(count)));
  close(file);
}

TEST(T3_tracepoint_tells_thread_pid_and_cpu) {
  keep_trace_events("1024");
  const pid_t child = check::start_child([] {});
  CHECK_EQ(check::wait_for(child), 0);
  char wanted[64];
  snprintf(wanted, sizeof wanted, "sched:fork tid=%d pid=%d cpu=", child, child);
  static char text[65536];
  const int file = open("/proc/tine/trace", O_RDONLY);
  CHECK(file >= 0);
  size_t have = 0;
  ssize_t got;
  while ((got = read(file, text + have, sizeof text - 1 - have)) > 0) have += static_cast<size_t>(got);
  const char* at = strstr(text, wanted);
  CHECK(at != nullptr);
  CHECK(atoi(at + strlen(wanted)) < sysconf(_SC_NPROCESSORS_CONF));
  keep_trace_events("0");
}

TEST(T3_tracing_that_is_off_keeps_nothing) {
  keep_trace_events("64");
  CHECK_EQ(check::in_child([] {}), 0);
  CHECK(strstr(check::read_text("/proc/tine/trace"), "proc:fork") != nullptr);
  keep_trace_events("0");
  CHECK_EQ(check::in_child([] {}), 0);
  CHECK(strncmp(check::read_text("/proc/tine/trace"), "# events=0 dropped=0 ", 21) == 0);
  const int file = open("/proc/sys/kern/trace_events", O_WRONLY);
  constexpr const char* kWrong[] = {"1", "63", "32769", "-1", "x"};
  for (const char* wrong : kWrong) CHECK_ERRNO(write(file, wrong, strlen(wrong)), EINVAL);
  close(file);
}

// --- T4, T5: counters ---

TEST(T4_forks_are_counted_by_kind_with_their_pages) {
  const uint64_t forks = setting("/proc/sys/kern/forkstat/forks"), pages = setting("/proc/sys/kern/forkstat/fork_pages");
  CHECK_EQ(check::in_child([] {}), 0);
  CHECK(setting("/proc/sys/kern/forkstat/forks") >= forks + 1);
  CHECK(setting("/proc/sys/kern/forkstat/fork_pages") > pages);
  const uint64_t vforks = setting("/proc/sys/kern/forkstat/vforks");
  const pid_t child = vfork();
  if (child == 0) _exit(0);
  CHECK_EQ(check::wait_for(child), 0);
  CHECK(setting("/proc/sys/kern/forkstat/vforks") >= vforks + 1);
}

TEST(T5_totals_of_forks_that_waited_and_that_shared_memory) {
  const uint64_t total = setting("/proc/sys/kern/forkstat/total"), waited = setting("/proc/sys/kern/forkstat/waited"),
                 shared = setting("/proc/sys/kern/forkstat/shared_memory");
  const pid_t child = vfork();
  if (child == 0) _exit(0);
  CHECK_EQ(check::wait_for(child), 0);
  CHECK(setting("/proc/sys/kern/forkstat/total") >= total + 1);
  CHECK(setting("/proc/sys/kern/forkstat/waited") >= waited + 1);
  CHECK(setting("/proc/sys/kern/forkstat/shared_memory") >= shared + 1);
}

// --- T6: accounting ---

struct Account {
  uint8_t flag, version;
  uint16_t tty;
  uint32_t exit_code, uid, gid, pid, parent, begin, elapsed;
  uint16_t times[8];
  char command[16];
};
static_assert(sizeof(Account) == 64);

static bool find_account(const char* path, pid_t pid, Account& found) {
  const int file = open(path, O_RDONLY);
  bool there = false;
  while (!there && read(file, &found, sizeof found) == sizeof found) there = found.pid == static_cast<uint32_t>(pid);
  close(file);
  return there;
}

TEST(T6_afork_is_set_unless_the_process_called_exec) {
  const char* path = "/tmp/acct";
  close(open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600));
  CHECK_EQ(acct(path), 0);
  const pid_t forked = check::start_child([] { _exit(4); });
  CHECK_EQ(check::wait_for(forked), 4);
  const pid_t executed = check::start_child([] { execl("/bin/busybox", "true", nullptr); });
  CHECK_EQ(check::wait_for(executed), 0);
  const pid_t killed = check::start_child([] { raise(SIGKILL); });
  CHECK_EQ(check::wait_for(killed), 128 + SIGKILL);
  CHECK_EQ(acct(nullptr), 0);
  Account account;
  CHECK(find_account(path, forked, account));
  CHECK_EQ(account.flag & 0x11, 0x01);
  CHECK_EQ(account.exit_code, 4u << 8);
  CHECK(find_account(path, executed, account));
  CHECK_EQ(account.flag & 0x11, 0);
  CHECK(find_account(path, killed, account));
  CHECK_EQ(account.flag & 0x11, 0x11);
}

// --- T8, C16: ktrace ---

namespace {

struct Trace {
  unsigned char bytes[65536];
  size_t size = 0;

  explicit Trace(const char* path) {
    const int file = open(path, O_RDONLY);
    const ssize_t got = read(file, bytes, sizeof bytes);
    close(file);
    if (got > 0) size = static_cast<size_t>(got);
  }
  // How many records `matches(header, contents)`.
  template <class Matches>
  int count(Matches matches) const {
    int found = 0;
    for (size_t at = 0; at + sizeof(ktr_header) <= size;) {
      ktr_header header;
      memcpy(&header, bytes + at, sizeof header);
      found += matches(header, bytes + at + sizeof header);
      at += sizeof header + header.ktr_len;
    }
    return found;
  }
};

void make_empty(const char* path) { close(open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600)); }

}  // namespace

TEST(T8_childs_own_return_from_fork_is_recorded) {
  const char* path = "/tmp/ktrace.out";
  make_empty(path);
  CHECK_EQ(call_ktrace(path, KTROP_SET, KTRFAC_SYSCALL | KTRFAC_SYSRET | KTRFAC_INHERIT, getpid()), 0);
  const pid_t child = static_cast<pid_t>(syscall(SYS_fork));
  if (child == 0) syscall(SYS_exit_group, 0);
  CHECK_EQ(call_ktrace(path, KTROP_CLEAR, ~0, getpid()), 0);
  CHECK_EQ(check::wait_for(child), 0);
  static const Trace trace(path);
  const auto returned = [&](pid_t pid, uint64_t value) {
    return trace.count([&](const ktr_header& header, const unsigned char* contents) {
      ktr_sysret done;
      uint64_t result;
      if (header.ktr_type != KTR_SYSRET || header.ktr_pid != pid || header.ktr_len != 16) return false;
      memcpy(&done, contents, sizeof done);
      memcpy(&result, contents + sizeof done, sizeof result);
      return done.ktr_code == SYS_fork && result == value;
    });
  };
  CHECK_EQ(returned(getpid(), static_cast<uint64_t>(child)), 1);
  CHECK_EQ(returned(child, 0), 1);
}

// Also of one that ends the process where it is sent, and one that no process sees.
TEST(T8_fatal_signal_is_recorded) {
  for (const int signal : Ints{SIGTERM, SIGSEGV, SIGKILL}) {
    const char* path = "/tmp/ktrace.signal";
    make_empty(path);
    const pid_t child = check::start_child([&] {
      CHECK_EQ(call_ktrace(path, KTROP_SET, KTRFAC_PSIG, getpid()), 0);
      raise(SIGSTOP);
      for (;;) pause();
    });
    int status;
    CHECK_EQ(waitpid(child, &status, WUNTRACED), child);
    kill(child, SIGCONT);
    kill(child, signal);
    CHECK_EQ(waitpid(child, &status, 0), child);
    CHECK_EQ(WTERMSIG(status), signal);
    const Trace trace(path);
    CHECK_EQ(trace.count([&](const ktr_header& header, const unsigned char* contents) {
               ktr_psig taken;
               memcpy(&taken, contents, sizeof taken);
               return header.ktr_type == KTR_PSIG && header.ktr_pid == child && taken.signo == signal;
             }), 1);
  }
}

TEST(T8_exec_of_a_set_id_program_ends_what_root_has_not_set) {
  const char* path = "/tmp/ktrace.set-id";
  CHECK_EQ(system("cp /bin/busybox /tmp/set-id && chmod 4755 /tmp/set-id"), 0);
  const auto ends_recorded = [&](bool set_by_root) {
    make_empty(path);
    CHECK_OK(chown(path, 1000, 1000));
    const pid_t child = check::start_child([&] {
      if (set_by_root) CHECK_EQ(call_ktrace(path, KTROP_SET, KTRFAC_SYSCALL, getpid()), 0);
      CHECK_OK(setgid(1000));
      CHECK_OK(setuid(1000));
      if (!set_by_root) CHECK_EQ(call_ktrace(path, KTROP_SET, KTRFAC_SYSCALL, getpid()), 0);
      execl("/tmp/set-id", "true", static_cast<char*>(nullptr));
    });
    CHECK_EQ(check::wait_for(child), 0);
    return Trace(path).count([&](const ktr_header& header, const unsigned char* contents) {
      ktr_syscall call;
      memcpy(&call, contents, sizeof call);
      return header.ktr_type == KTR_SYSCALL && header.ktr_pid == child && call.ktr_code == SYS_exit_group;
    });
  };
  CHECK_EQ(ends_recorded(true), 1);
  CHECK_EQ(ends_recorded(false), 0);
  CHECK_OK(unlink("/tmp/set-id"));
}

// What a process keeps from the time when it was root is for nobody to record who could not look into it by ptrace(2).
TEST(T8_processes_that_ptrace_guards_are_closed_to_ktrace) {
  const char* path = "/tmp/ktrace.guarded";
  make_empty(path);
  CHECK_OK(chown(path, 1000, 1000));
  Gate ready;
  const auto start = [&](auto change_ids) {
    const pid_t child = start_child([&] {
      change_ids();
      ready.open();
      while (true) pause();
    });
    ready.wait();
    return child;
  };
  const pid_t gave_up_root = start([] {
    CHECK_OK(setgid(1000));
    CHECK_OK(setuid(1000));
  });
  const pid_t effective_root = start([] { CHECK_OK(setresuid(1000, 0, 1000)); });
  const pid_t processes[] = {gave_up_root, effective_root};
  CHECK_EQ(in_child([&] {
    CHECK_OK(setgid(1000));
    CHECK_OK(setuid(1000));
    for (const pid_t guarded : processes)
      CHECK_ERRNO(call_ktrace(path, KTROP_SET, KTRFAC_GENIO, guarded), EPERM);
    const pid_t own = start_child([] {
      CHECK_OK(prctl(PR_SET_DUMPABLE, 1));
      while (true) pause();
    });
    CHECK(eventually([&] { return call_ktrace(path, KTROP_SET, KTRFAC_GENIO, own) == 0; }));
    CHECK_OK(kill(own, SIGKILL));
    CHECK_EQ(wait_for(own), 128 + SIGKILL);
  }), 0);
  for (const pid_t child : processes) {
    CHECK_EQ(call_ktrace(path, KTROP_SET, KTRFAC_GENIO, child), 0);   // root may
    CHECK_OK(kill(child, SIGKILL));
    CHECK_EQ(wait_for(child), 128 + SIGKILL);
  }
  CHECK_OK(unlink(path));
}

TEST(T1_timer_at_a_time_of_the_wall_clock_follows_its_setting) {
  const int kq = new_kqueue();
  timespec now;
  CHECK_OK(clock_gettime(CLOCK_REALTIME, &now));
  watch(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_ABSTIME | NOTE_SECONDS, now.tv_sec + 1800);
  watch(kq, 2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_SECONDS, 1800);
  now.tv_sec += 3600;
  CHECK_OK(clock_settime(CLOCK_REALTIME, &now));
  const struct kevent event = next_event(kq, 5000);
  const bool another = next_event(kq, 50).filter != 0;
  CHECK_OK(clock_gettime(CLOCK_REALTIME, &now));
  now.tv_sec -= 3600;
  CHECK_OK(clock_settime(CLOCK_REALTIME, &now));
  CHECK_EQ(event.filter, EVFILT_TIMER);
  CHECK_EQ(event.ident, 1u);
  CHECK(!another);
  close(kq);
}

TEST(T1_periods_are_counted_until_they_are_collected) {
  const int kq = new_kqueue();
  watch(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, 1000);
  for (int round = 0; round < 3; round++) {
    sleep_ms(50);
    CHECK(next_event(kq).data >= 45);
  }
  CHECK(next_event(kq).data >= 1);
  close(kq);
}

TEST(T8_tracing_a_process_that_ends_leaves_nothing_behind) {
  static KernelState before;
  const char* path = "/tmp/ktrace.ending";
  make_empty(path);
  const auto trace_until_its_end = [&] {
    const pid_t child = start_child([] { _exit(0); });
    while (call_ktrace(path, KTROP_SET, KTRFAC_PSIG, child) == 0) {
    }
    CHECK_EQ(wait_for(child), 0);
  };
  for (int i = 0; i < 10; i++) trace_until_its_end();
  before.take();
  before.take();
  for (int i = 0; i < 1000; i++) trace_until_its_end();
  check_state_is_again(before);
}

TEST(T8_tfork_parameter_is_recorded_as_a_struct) {
  const char* path = "/tmp/ktrace.tfork";
  make_empty(path);
  CHECK_EQ(call_ktrace(path, KTROP_SET, KTRFAC_STRUCT, getpid()), 0);
  const uint64_t parameter[3] = {0, 0, 0};  // no stack: EINVAL, after it was recorded
  CHECK_EQ(syscall(TINE_SYS_tfork, parameter, sizeof parameter), -1);
  CHECK_EQ(call_ktrace(path, KTROP_CLEAR, ~0, getpid()), 0);
  static const Trace trace(path);
  CHECK_EQ(trace.count([](const ktr_header& header, const unsigned char* contents) {
             return header.ktr_type == KTR_STRUCT && header.ktr_len == 6 + 24 && memcmp(contents, "tfork", 6) == 0;
           }), 1);
}

TEST(T8_names_data_and_user_records) {
  const char* path = "/tmp/ktrace.io";
  make_empty(path);
  CHECK_EQ(call_ktrace(path, KTROP_SET, KTRFAC_NAMEI | KTRFAC_GENIO | KTRFAC_USER, getpid()), 0);
  const int null = open("/dev/null", O_WRONLY);
  CHECK_EQ(write(null, "data", 4), 4);
  CHECK_EQ(syscall(TINE_SYS_utrace, "label", "user", 4), 0);
  CHECK_EQ(call_ktrace(path, KTROP_CLEAR, ~0, getpid()), 0);
  static const Trace trace(path);
  CHECK_EQ(trace.count([](const ktr_header& header, const unsigned char* contents) {
             return header.ktr_type == KTR_NAMEI && header.ktr_len == 9 && memcmp(contents, "/dev/null", 9) == 0;
           }), 1);
  CHECK_EQ(trace.count([](const ktr_header& header, const unsigned char* contents) {
             return header.ktr_type == KTR_GENIO && header.ktr_len == 12 && memcmp(contents + 8, "data", 4) == 0;
           }), 1);
  CHECK_EQ(trace.count([](const ktr_header& header, const unsigned char* contents) {
             return header.ktr_type == KTR_USER && header.ktr_len == 24 && memcmp(contents + 20, "user", 4) == 0;
           }), 1);
}

TEST(C16_only_inherit_makes_children_traced_and_credentials_stay) {
  const char* path = "/tmp/ktrace.inherit";
  const auto records_of_child = [&](int points) {
    make_empty(path);
    CHECK_EQ(call_ktrace(path, KTROP_SET, points, getpid()), 0);
    const pid_t child = check::start_child([&] {
      CHECK_EQ(setuid(1000), 0);
      getppid();
      // The file and root's credentials came with the trace: who is not root may not end it.
      if (points & KTRFAC_INHERIT) CHECK_EQ(call_ktrace(nullptr, KTROP_CLEAR, ~0, getpid()), -1);
    });
    CHECK_EQ(check::wait_for(child), 0);
    CHECK_EQ(call_ktrace(path, KTROP_CLEAR, ~0, getpid()), 0);
    return Trace(path).count([&](const ktr_header& header, const unsigned char* contents) {
      ktr_syscall call;
      memcpy(&call, contents, sizeof call);
      return header.ktr_type == KTR_SYSCALL && header.ktr_pid == child && call.ktr_code == SYS_getppid;
    });
  };
  CHECK_EQ(records_of_child(KTRFAC_SYSCALL), 0);
  CHECK_EQ(records_of_child(KTRFAC_SYSCALL | KTRFAC_INHERIT), 1);
}
