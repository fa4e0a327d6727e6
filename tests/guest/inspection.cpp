// SPDX-License-Identifier: BSD-2-Clause
// Who may look into a process: ptrace, process_vm_readv, pidfd_getfd, /proc; and set-id programs, out of reach of their
// users from the first moment.
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "tracee.h"

namespace {

// As a user who may look into what it starts.
void become_user() {
  CHECK_OK(setgid(1000));
  CHECK_OK(setuid(1000));
  CHECK_OK(prctl(PR_SET_DUMPABLE, 1));
}

// A field of /proc/PID/NAME, `skip` words behind the label; -1: there is none.
long number_in(pid_t pid, const char* name, const char* label, int skip, int base = 10) {
  char path[64], text[4096];
  snprintf(path, sizeof path, "/proc/%d/%s", pid, name);
  const int file = open(path, O_RDONLY);
  if (file < 0) return -1;
  const ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  text[size > 0 ? size : 0] = '\0';
  char* at = strstr(text, label);
  if (at == nullptr) return -1;
  at += strlen(label);
  while (skip-- > 0) at += strspn(at, " \t"), at += strcspn(at, " \t");
  return strtol(at, nullptr, base);
}
long effective_user(pid_t pid) { return number_in(pid, "status", "Uid:", 1); }

// --- The set-id program: this one, which does not come to main() then ---

constexpr const char* kSetIdProgram = "/tmp/set-id";
constexpr const char* kIsSetIdProgram = "SET_ID_PROGRAM";   // in its environment

[[gnu::constructor]] void be_the_set_id_program() {
  if (getenv(kIsSetIdProgram) == nullptr) return;
  check::sleep_ms(5);
  _exit(0);
}

void make_set_id_program() {
  char command[128];
  snprintf(command, sizeof command, "cp /proc/%d/exe %s && chmod 4755 %s", getpid(), kSetIdProgram, kSetIdProgram);
  CHECK_EQ(system(command), 0);
}

// With so many arguments that exec takes a while.
[[noreturn]] void exec_set_id_program() {
  static char text[100'000];
  memset(text, 'x', sizeof text - 1);
  char* arguments[13];
  for (char*& argument : arguments) argument = text;
  arguments[12] = nullptr;
  CHECK_OK(setenv(kIsSetIdProgram, "", 1));
  execv(kSetIdProgram, arguments);
  _exit(errno);
}

// For less than about the time that exec takes.
int random_delay() { return rand() % 2'000'000; }

void spin_for(int nanoseconds) {
  for (const int64_t end = now_ns() + nanoseconds; now_ns() < end;) {
  }
}

// Calls `attempt` for two seconds as a user.
template <class Attempt>
void attack_set_id_program(Attempt attempt) {
  make_set_id_program();
  CHECK_EQ(in_child([&] {
    become_user();
    for (const int64_t end = now_ns() + 2'000'000'000; now_ns() < end;) attempt();
  }), 0);
  CHECK_OK(unlink(kSetIdProgram));
}

}  // namespace

TEST(set_id_program_cannot_be_seized_while_exec_is_under_way) {
  attack_set_id_program([] {
    auto& begun = check::shared<int>();
    const pid_t child = start_child([&] {
      __atomic_store_n(&begun, 1, __ATOMIC_RELEASE);
      exec_set_id_program();
    });
    while (!__atomic_load_n(&begun, __ATOMIC_ACQUIRE)) sched_yield();
    spin_for(random_delay());
    if (trace(PTRACE_SEIZE, child) == 0 && trace(PTRACE_INTERRUPT, child) == 0 && WIFSTOPPED(wait_status(child))) {
      CHECK_EQ(effective_user(child), 1000);
      trace(PTRACE_DETACH, child);
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, __WALL);
    munmap(&begun, sizeof begun);
  });
}

TEST(set_id_programs_memory_cannot_be_read_while_exec_is_under_way) {
  static int marker = 1;   // as only the new program has it
  attack_set_id_program([] {
    marker = 2;
    const pid_t child = start_child([] {
      constexpr size_t kSize = 32 << 20;   // which takes a while to be given up
      CHECK(mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0) != MAP_FAILED);
      exec_set_id_program();
    });
    int found = 2;
    const iovec here = {&found, sizeof found}, there = {&marker, sizeof marker};
    while (waitpid(child, nullptr, WNOHANG) == 0) {
      process_vm_readv(child, &here, 1, &there, 1, 0);
      CHECK_EQ(found, 2);
    }
  });
}

TEST(set_id_program_shares_its_directories_with_no_process_of_its_user) {
  static bool begun;
  static int delay;
  static bool* changed;
  changed = &check::shared<bool>();
  attack_set_id_program([] {
    delay = random_delay();
    const pid_t child = start_child([] {
      pthread_t other;
      CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
        while (!__atomic_load_n(&begun, __ATOMIC_ACQUIRE)) sched_yield();
        spin_for(delay);
        if (syscall(SYS_clone, CLONE_FS | SIGCHLD, 0, 0, 0, 0) != 0) return nullptr;
        const pid_t parent = getppid();
        for (const int64_t end = now_ns() + 10'000'000; now_ns() < end && effective_user(parent) != 0;) sched_yield();
        if (effective_user(parent) != 0) _exit(0);
        umask(0123);
        if (effective_user(parent) == 0 && number_in(parent, "status", "Umask:", 0, 8) == 0123) *changed = true;
        _exit(0);
      }, nullptr), 0);
      __atomic_store_n(&begun, true, __ATOMIC_RELEASE);
      exec_set_id_program();
    });
    CHECK_EQ(wait_for(child), 0);
    CHECK(!*changed);
  });
}

TEST(descriptor_of_another_process_is_for_whoever_may_trace_it) {
  CHECK_EQ(in_child([] {
    become_user();
    Gate closed;
    const pid_t child = start_child([&] {
      CHECK_OK(prctl(PR_SET_DUMPABLE, 0));
      closed.open();
      while (true) pause();
    });
    const int process = CHECK_OK(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
    closed.wait();
    CHECK_ERRNO(syscall(SYS_pidfd_getfd, process, STDIN_FILENO, 0), EPERM);
    CHECK_OK(kill(child, SIGKILL));
    CHECK_EQ(wait_for(child), 128 + SIGKILL);
  }), 0);
}

// An address in it tells where its stack or its library is.
TEST(robust_list_of_another_process_is_for_whoever_may_trace_it) {
  Gate ready;
  const pid_t gave_up_root = start_child([&] {
    CHECK_OK(setgid(1000));
    CHECK_OK(setuid(1000));
    ready.open();
    while (true) pause();
  });
  ready.wait();
  CHECK_EQ(in_child([&] {
    become_user();
    uintptr_t head;
    size_t size;
    CHECK_ERRNO(syscall(SYS_get_robust_list, gave_up_root, &head, &size), EPERM);
    CHECK_OK(syscall(SYS_get_robust_list, 0, &head, &size));
  }), 0);
  CHECK_OK(kill(gave_up_root, SIGKILL));
  CHECK_EQ(wait_for(gave_up_root), 128 + SIGKILL);
}

TEST(process_with_more_capabilities_is_guarded) {
  Gate ready;
  const pid_t able = start_child([&] {
    CHECK_OK(prctl(PR_SET_KEEPCAPS, 1));
    become_user();
    ready.open();
    while (true) pause();
  });
  ready.wait();
  CHECK_EQ(in_child([&] {
    become_user();
    char path[64];
    for (const char* name : (const char*[]){"mem", "environ", "maps"}) {
      snprintf(path, sizeof path, "/proc/%d/%s", able, name);
      char byte;
      const int file = open(path, O_RDONLY);
      if (file >= 0) CHECK_ERRNO(read(file, &byte, 1), EACCES);
      else CHECK_EQ(errno, EACCES);
    }
    CHECK_ERRNO(trace(PTRACE_SEIZE, able), EPERM);
    CHECK_ERRNO(syscall(SYS_pidfd_getfd, CHECK_OK(static_cast<int>(syscall(SYS_pidfd_open, able, 0))), 0, 0), EPERM);
  }), 0);
  CHECK_OK(kill(able, SIGKILL));
  wait_for(able);
}

TEST(stat_tells_where_the_heap_is_to_whoever_may_look) {
  const auto heap = [](pid_t pid) { return number_in(pid, "stat", ")", 44); };
  const pid_t child = start_child([] {
    while (true) pause();
  });
  CHECK(heap(child) != 0);
  CHECK_EQ(in_child([&] {
    become_user();
    CHECK_EQ(heap(child), 0);
  }), 0);
  CHECK_OK(kill(child, SIGKILL));
  wait_for(child);
}

// --- A program that its user may run but not read ---

namespace {

constexpr const char* kSecretProgram = "/tmp/secret";

void make_unreadable_program() {
  char command[128];
  snprintf(command, sizeof command, "cp /proc/%d/exe %s && chmod 0711 %s", getpid(), kSecretProgram, kSecretProgram);
  CHECK_EQ(system(command), 0);
}

[[noreturn]] void exec_unreadable_program() {
  CHECK_OK(setenv(kIsSetIdProgram, "", 1));
  char* const arguments[] = {const_cast<char*>(kSecretProgram), nullptr};
  execv(kSecretProgram, arguments);
  _exit(errno);
}

}  // namespace

TEST(text_of_a_program_that_cannot_be_read_is_closed_to_its_tracer) {
  make_unreadable_program();
  CHECK_EQ(in_child([] {
    become_user();
    const pid_t child = start_child([] {
      CHECK_OK(trace(PTRACE_TRACEME, 0));
      exec_unreadable_program();
    });
    expect_stop(child, SIGTRAP);
    const uintptr_t text = registers_of(child).rip;   // registers are the tracer's to see
    errno = 0;
    CHECK_EQ(trace(PTRACE_PEEKTEXT, child, text), -1);
    CHECK_EQ(errno, EIO);
    CHECK_ERRNO(trace(PTRACE_POKETEXT, child, text, 0), EIO);
    char byte;
    const iovec here = {&byte, 1}, there = {reinterpret_cast<void*>(text), 1};
    CHECK_ERRNO(process_vm_readv(child, &here, 1, &there, 1, 0), EPERM);
    const char* const names[] = {"mem", "maps", "auxv", "environ"};
    for (const char* name : names) {
      char path[64];
      snprintf(path, sizeof path, "/proc/%d/%s", child, name);
      const int file = open(path, O_RDONLY);
      CHECK(file < 0 || pread(file, &byte, 1, static_cast<off_t>(text)) <= 0);
      if (file >= 0) close(file);
    }
    CHECK_OK(kill(child, SIGKILL));
    CHECK(WIFSIGNALED(wait_status(child)));
  }), 0);
  CHECK_OK(unlink(kSecretProgram));
}
