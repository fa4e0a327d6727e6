// SPDX-License-Identifier: BSD-2-Clause
// Runs guest tests in the guest: `runner PLAN SECONDS`, where PLAN has a line "PROGRAM CASE" for each test. Each test is
// a process group of its own that gets so many seconds. After each one, whatever it left running is killed and waited for,
// settings that it changed are put back, and the kernel is asked to check itself (/proc/tine/audit, where there is one) and
// whether it kept a CPU or a lock too long (/proc/tine/latency): a finding fails that test, as does a process that does not die.
//
// It prints, a line each: "run NAME" at a test's start; then "ok NAME MILLISECONDS", "skip NAME REASON" or
// "not ok NAME REASON" and, of a failed one, what it printed, each line after "| "; "end" after the last.
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static constexpr char kPrograms[] = "/tests";
static constexpr char kAudit[] = "/proc/tine/audit";
static constexpr char kLatency[] = "/proc/tine/latency";
static constexpr char kAuditClean[] = "audit: clean";
static constexpr int kSkipped = 77;
static constexpr int kDyingSeconds = 20;

static int64_t now_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1000ll + now.tv_nsec / 1'000'000;
}

// What a test printed: the beginning, as far as it fits.
struct Output {
  char text[16384];
  size_t size = 0;

  // Takes what is there. False once all writers have closed the pipe.
  bool read_from(int pipe) {
    char rest[1024];
    const size_t room = sizeof text - 1 - size;
    const ssize_t got = read(pipe, room ? text + size : rest, room ? room : sizeof rest);
    if (got > 0 && room) size += static_cast<size_t>(got);
    text[size] = '\0';
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
  }
  void print() const {
    for (const char* line = text; *line;) {
      const size_t length = strcspn(line, "\n");
      printf("| %.*s\n", static_cast<int>(length), line);
      line += length + (line[length] == '\n');
    }
  }
};

static pid_t start(const char* program, const char* name, int output) {
  const pid_t child = fork();
  if (child != 0) return child;
  setpgid(0, 0);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  for (int file = 3; file < 64; file++) close(file);
  if (chdir("/tmp") != 0) _exit(126);
  char path[256];
  snprintf(path, sizeof path, "%s/%s", kPrograms, program);
  execl(path, program, name, static_cast<char*>(nullptr));
  dprintf(STDERR_FILENO, "cannot run %s: %s\n", path, strerror(errno));
  _exit(126);
}

// Nothing that a test started may disturb the next: this process and init are all that stay. False: something does not
// die. (Linux counts its kernel's own threads among those that can be signalled, so that it does not tell.)
static bool kill_the_rest() {
  const bool tells = access(kAudit, F_OK) == 0;
  const int64_t end = now_ms() + kDyingSeconds * 1000;
  do {
    if (kill(-1, SIGKILL) != 0 && errno == ESRCH) return true;
    while (waitpid(-1, nullptr, WNOHANG | __WALL) > 0) {
    }
    if (!tells) return true;
    poll(nullptr, 0, 1);
  } while (now_ms() < end);
  return false;
}

// What a test that failed half-way would leave changed for the next. Where there is no such setting, nothing is kept.
class Settings {
 public:
  Settings() {
    for (Setting& setting : settings_) {
      const int file = open(setting.path, O_RDONLY | O_CLOEXEC);
      if (file < 0) continue;
      const ssize_t got = read(file, setting.value, sizeof setting.value);
      setting.size = got > 0 ? static_cast<size_t>(got) : 0;
      close(file);
    }
  }
  void put_back() const {
    for (const Setting& setting : settings_) {
      if (setting.size == 0) continue;
      const int file = open(setting.path, O_WRONLY | O_CLOEXEC);
      if (write(file, setting.value, setting.size) < 0) printf("| %s: %s\n", setting.path, strerror(errno));
      close(file);
    }
  }

 private:
  struct Setting {
    const char* path;
    char value[64] = {};
    size_t size = 0;
  };
  Setting settings_[15] = {{"/proc/sys/kern/maxproc"},
                           {"/proc/sys/kern/maxthread"},
                           {"/proc/sys/kern/pidmode"},
                           {"/proc/sys/kern/randompid"},
                           {"/proc/sys/kern/fast_vfork"},
                           {"/proc/sys/kern/maxlasting"},
                           {"/proc/sys/kern/maxlocksperuid"},
                           {"/proc/sys/kern/maxsbsizeperuid"},
                           {"/proc/sys/fs/file-max"},
                           {"/proc/sys/fs/epoll/max_user_watches"},
                           {"/proc/sys/fs/pipe-user-pages-soft"},
                           {"/proc/sys/fs/pipe-user-pages-hard"},
                           {"/proc/sys/kernel/pty/max"},
                           {"/proc/sys/kernel/shmall"},
                           {"/proc/sys/vm/max_map_count"}};
};

// Collects output until the test has ended. False when its time was over before.
static bool wait_for(pid_t child, int pipe, int seconds, Output& output, int* how) {
  const int64_t end = now_ms() + seconds * 1000;
  bool open = true;
  for (;;) {
    // The pipe tells of the usual end at once; a child that lives on with it open is found by looking now and then.
    struct pollfd watched = {open ? pipe : -1, POLLIN, 0};
    poll(&watched, 1, open ? 50 : 1);
    if (watched.revents && !output.read_from(pipe)) open = false;
    const pid_t ended = waitpid(child, how, WNOHANG);
    if (ended == child) {
      for (int rounds = 0; open && rounds < 64; rounds++) {
        watched.revents = 0;
        if (poll(&watched, 1, 0) <= 0 || !output.read_from(pipe)) break;
      }
      return true;
    }
    if (now_ms() > end) {
      kill(-child, SIGKILL);
      kill(child, SIGKILL);
      waitpid(child, how, 0);
      return false;
    }
  }
}

// Empty when the kernel finds itself in order, or does not check itself; else its findings.
static void audit(Output& findings) {
  findings.size = 0;
  findings.text[0] = '\0';
  const int file = open(kAudit, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  while (findings.read_from(file)) {
  }
  close(file);
  const size_t clean = strlen(kAuditClean);
  if (strncmp(findings.text, kAuditClean, clean) == 0 && (findings.text[clean] == '\n' || !findings.text[clean])) {
    findings.text[0] = '\0';
  }
}

// What the kernel's latency watchdog has measured is forgotten, so that what it says next is the next test's.
static void forget_latencies() {
  const int file = open(kLatency, O_WRONLY | O_CLOEXEC);
  if (file < 0) return;
  if (write(file, "reset", 5) != 5) printf("| %s: %s\n", kLatency, strerror(errno));
  close(file);
}

// Empty unless something took longer than its limit; else the longest of each kind, with its place.
static void check_latencies(Output& findings) {
  findings.size = 0;
  findings.text[0] = '\0';
  const int file = open(kLatency, O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  while (findings.read_from(file)) {
  }
  close(file);
  // Lines "KIND: worst N ns, limit N ns, N over the limit: WHAT".
  for (const char* at = findings.text; (at = strstr(at, " over the limit")) != nullptr; ++at) {
    if (at[-1] != '0' || at[-2] != ' ') return;
  }
  findings.text[0] = '\0';
}

static void run(const char* program, const char* name, int seconds, const Settings& settings) {
  static Output output, findings, latencies;
  output.size = 0;
  output.text[0] = '\0';
  forget_latencies();
  printf("run %s.%s\n", program, name);
  int pipe[2];
  if (pipe2(pipe, O_CLOEXEC) != 0) {
    printf("not ok %s.%s runner: pipe: %s\n", program, name, strerror(errno));
    return;
  }
  const int64_t began = now_ms();
  const pid_t child = start(program, name, pipe[1]);
  close(pipe[1]);
  fcntl(pipe[0], F_SETFL, O_NONBLOCK);
  if (child < 0) {
    printf("not ok %s.%s runner: fork: %s\n", program, name, strerror(errno));
    close(pipe[0]);
    return;
  }
  int how = 0;
  const bool in_time = wait_for(child, pipe[0], seconds, output, &how);
  const int64_t took = now_ms() - began;
  close(pipe[0]);
  const bool all_died = kill_the_rest();
  settings.put_back();
  check_latencies(latencies);   // before the audit, which looks at everything
  audit(findings);

  if (!in_time) {
    printf("not ok %s.%s had not ended after %d s\n", program, name, seconds);
  } else if (WIFSIGNALED(how)) {
    printf("not ok %s.%s killed by signal %d\n", program, name, WTERMSIG(how));
  } else if (WEXITSTATUS(how) == kSkipped) {
    printf("skip %s.%s %.*s\n", program, name, static_cast<int>(strcspn(output.text, "\n")), output.text);
    return;
  } else if (WEXITSTATUS(how) != 0) {
    printf("not ok %s.%s exit status %d\n", program, name, WEXITSTATUS(how));
  } else if (!all_died) {
    printf("not ok %s.%s left a process that does not die\n", program, name);
  } else if (findings.text[0]) {
    printf("not ok %s.%s the kernel's audit is not clean\n", program, name);
    findings.print();
    return;
  } else if (latencies.text[0]) {
    printf("not ok %s.%s the kernel kept a CPU or a lock too long\n", program, name);
    latencies.print();
    return;
  } else {
    printf("ok %s.%s %lld\n", program, name, static_cast<long long>(took));
    return;
  }
  output.print();
  if (findings.text[0]) findings.print();
  if (latencies.text[0]) latencies.print();
}

int main(int count, char** arguments) {
  setvbuf(stdout, nullptr, _IOLBF, 0);
  FILE* plan = count == 3 ? fopen(arguments[1], "re") : nullptr;
  if (!plan) {
    fprintf(stderr, "usage: runner PLAN SECONDS\n");
    return 2;
  }
  const Settings settings;
  char program[128], name[128];
  while (fscanf(plan, "%127s %127s", program, name) == 2) run(program, name, atoi(arguments[2]), settings);
  puts("end");
}
