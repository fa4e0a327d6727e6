// SPDX-License-Identifier: BSD-2-Clause
// execve: arguments, environment, what survives it and what does not, scripts, errors.
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stddef.h>
#include <sys/auxv.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

namespace {
// What a shell command prints, its standard error left out.
const char* output_of(char* const arguments[], char* const environment[]) {
  static char text[8192];
  int ends[2];
  CHECK_OK(pipe(ends));
  const pid_t child = start_child([&] {
    dup2(ends[1], STDOUT_FILENO);
    close(ends[0]);
    close(ends[1]);
    execve(arguments[0], arguments, environment);
    fail(__FILE__, __LINE__, "execve(%s): %s", arguments[0], strerror(errno));
  });
  close(ends[1]);
  size_t have = 0;
  for (ssize_t got; (got = read(ends[0], text + have, sizeof text - 1 - have)) > 0;) have += static_cast<size_t>(got);
  text[have] = '\0';
  close(ends[0]);
  CHECK_EQ(wait_for(child), 0);
  return text;
}
const char* output_of(const char* script) {
  char* const arguments[] = {const_cast<char*>("/bin/sh"), const_cast<char*>("-c"), const_cast<char*>(script), nullptr};
  char* const environment[] = {const_cast<char*>("PATH=/bin:/usr/bin"), nullptr};
  return output_of(arguments, environment);
}
void write_file(const char* path, const void* contents, size_t size, mode_t mode) {
  const int file = CHECK_OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  CHECK_EQ(write(file, contents, size), static_cast<ssize_t>(size));
  CHECK_OK(close(file));
  CHECK_OK(chmod(path, mode));
}
void write_file(const char* path, const char* text, mode_t mode) { write_file(path, text, strlen(text), mode); }
int exec_error(const char* path) {
  char* const arguments[] = {const_cast<char*>(path), nullptr};
  execve(path, arguments, arguments + 1);
  return errno;
}
}  // namespace

TEST(arguments_and_environment_arrive) {
  char* const arguments[] = {const_cast<char*>("/bin/sh"), const_cast<char*>("-c"),
                             const_cast<char*>("echo \"$0|$1|$2|$A|$B\""), const_cast<char*>("zero"),
                             const_cast<char*>("one two"), const_cast<char*>(""), nullptr};
  char* const environment[] = {const_cast<char*>("A=x y"), const_cast<char*>("B=ü"), nullptr};
  CHECK_EQ(output_of(arguments, environment), "zero|one two||x y|ü\n");
}

TEST(large_argument_lists_pass) {
  static char big[100'000];
  memset(big, 'x', sizeof big - 1);
  char* const arguments[] = {const_cast<char*>("/bin/sh"), const_cast<char*>("-c"),
                             const_cast<char*>("echo ${#1} ${#2} $#"), const_cast<char*>("sh"), big, big, nullptr};
  char* const environment[] = {nullptr};
  CHECK_EQ(output_of(arguments, environment), "99999 99999 2\n");
}

TEST(too_large_an_argument_says_E2BIG) {
  static char big[200'000];
  memset(big, 'x', sizeof big - 1);
  char* const arguments[] = {const_cast<char*>("/bin/true"), big, nullptr};
  CHECK_ERRNO(execve("/bin/busybox", arguments, arguments + 2), E2BIG);
}

TEST(process_keeps_its_id) {
  CHECK_EQ(output_of("a=$$; exec sh -c \"test \\$\\$ = $a && echo same\""), "same\n");
}

TEST(close_on_exec_closes_and_others_stay) {
  const int closes = CHECK_OK(open("/dev/null", O_RDONLY | O_CLOEXEC));
  const int stays = CHECK_OK(open("/dev/null", O_RDONLY));
  char script[128];
  snprintf(script, sizeof script, "test ! -e /proc/self/fd/%d && test -e /proc/self/fd/%d && echo right", closes, stays);
  CHECK_EQ(output_of(script), "right\n");
}

TEST(ignored_signals_stay_ignored_and_caught_ones_get_their_default) {
  signal(SIGUSR1, SIG_IGN);
  signal(SIGUSR2, [](int) {});
  CHECK_EQ(output_of("kill -USR1 $$; echo alive"), "alive\n");
  CHECK_EQ(in_child([] { execl("/bin/sh", "sh", "-c", "kill -USR2 $$; echo not here", static_cast<char*>(nullptr)); }),
           128 + SIGUSR2);
}

TEST(pending_and_blocked_signals_survive) {
  CHECK_EQ(in_child([] {
             sigset_t set;
             sigemptyset(&set);
             sigaddset(&set, SIGTERM);
             CHECK_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
             CHECK_OK(raise(SIGTERM));
             execl("/bin/sh", "sh", "-c", "grep -q '^SigPnd:.*4000$\\|^ShdPnd:.*4000$' /proc/self/status; exit 9",
                   static_cast<char*>(nullptr));
           }),
           9);
}

TEST(script_runs_through_its_interpreter) {
  write_file("/tmp/script", "#!/bin/sh -e\necho \"$0 $1\"\n", 0755);
  char* const arguments[] = {const_cast<char*>("/tmp/script"), const_cast<char*>("word"), nullptr};
  char* const environment[] = {nullptr};
  CHECK_EQ(output_of(arguments, environment), "/tmp/script word\n");
  CHECK_OK(unlink("/tmp/script"));
}

TEST(script_of_a_script_runs) {
  write_file("/tmp/inner", "#!/bin/sh\necho \"inner $1\"\n", 0755);
  write_file("/tmp/outer", "#!/tmp/inner\n", 0755);
  char* const arguments[] = {const_cast<char*>("/tmp/outer"), nullptr};
  char* const environment[] = {nullptr};
  CHECK_EQ(output_of(arguments, environment), "inner /tmp/outer\n");
  CHECK_OK(unlink("/tmp/inner"));
  CHECK_OK(unlink("/tmp/outer"));
}

TEST(errors) {
  CHECK_EQ(exec_error("/nowhere"), ENOENT);
  CHECK_EQ(exec_error("/bin/sh/x"), ENOTDIR);
  CHECK_EQ(exec_error("/tmp"), EACCES);
  write_file("/tmp/plain", "text", 0644);
  CHECK_EQ(exec_error("/tmp/plain"), EACCES);
  write_file("/tmp/noformat", "no program", 0755);
  CHECK_EQ(exec_error("/tmp/noformat"), ENOEXEC);
  write_file("/tmp/nointerpreter", "#!/nowhere/sh\n", 0755);
  CHECK_EQ(exec_error("/tmp/nointerpreter"), ENOENT);
  write_file("/tmp/empty", "", 0755);
  CHECK_EQ(exec_error("/tmp/empty"), ENOEXEC);
  CHECK_EQ(exec_error(""), ENOENT);
  char* const none[] = {nullptr};
  CHECK_ERRNO(execve(reinterpret_cast<char*>(16), none, none), EFAULT);
  for (const char* path : (const char*[]){"/tmp/plain", "/tmp/noformat", "/tmp/nointerpreter", "/tmp/empty"}) unlink(path);
}

static Elf64_Ehdr elf_header() {
  Elf64_Ehdr header = {};
  memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = EM_X86_64;
  header.e_version = EV_CURRENT;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phoff = sizeof header;
  return header;
}

// A dynamic linker takes its first memory from there, and counts on finding zeros.
TEST(memory_after_the_data_is_zero_to_the_end_of_its_page) {
  struct Program {
    Elf64_Ehdr header = elf_header();
    Elf64_Phdr segment = {};
    // movzx edi, byte [rip + 0x7ff]; mov eax, 60 (exit); syscall
    unsigned char code[14] = {0x0f, 0xb6, 0x3d, 0xff, 0x07, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};
    unsigned char after[4096];
  } program;
  memset(program.after, 0xee, sizeof program.after);
  program.header.e_entry = 0x10000000 + offsetof(Program, code);
  program.header.e_phnum = 1;
  program.segment = {.p_type = PT_LOAD, .p_flags = PF_R | PF_W | PF_X, .p_offset = 0, .p_vaddr = 0x10000000,
                     .p_paddr = 0x10000000, .p_filesz = offsetof(Program, after),
                     .p_memsz = offsetof(Program, after) + 8, .p_align = 4096};
  write_file("/tmp/tail", &program, sizeof program, 0755);
  CHECK_EQ(in_child([] { _exit(exec_error("/tmp/tail")); }), 0);
  CHECK_OK(unlink("/tmp/tail"));
}

TEST(broken_elf_files_are_refused) {
  Elf64_Ehdr header = elf_header();
  const auto try_it = [&] {
    const int file = CHECK_OK(open("/tmp/broken", O_WRONLY | O_CREAT | O_TRUNC, 0755));
    CHECK_EQ(write(file, &header, sizeof header), static_cast<ssize_t>(sizeof header));
    CHECK_OK(close(file));
    return in_child([] { _exit(exec_error("/tmp/broken")); });
  };
  header.e_machine = EM_AARCH64;
  CHECK_EQ(try_it(), ENOEXEC);
  header.e_machine = EM_X86_64;
  header.e_type = ET_REL;
  CHECK_EQ(try_it(), ENOEXEC);
  header.e_type = ET_EXEC;
  header.e_phnum = 1;  // and no program header in the file
  CHECK(try_it() != 0);
  CHECK_OK(unlink("/tmp/broken"));
}

TEST(auxiliary_vector_is_there) {
  CHECK_EQ(getauxval(AT_PAGESZ), 4096u);
  CHECK(getauxval(AT_PHDR) != 0);
  CHECK(getauxval(AT_ENTRY) != 0);
  CHECK_EQ(getauxval(AT_UID), getuid());
  CHECK_EQ(getauxval(AT_SECURE), 0u);
  const auto* random = reinterpret_cast<const uint64_t*>(getauxval(AT_RANDOM));
  CHECK(random != nullptr);
  CHECK(random[0] != 0 || random[1] != 0);
  CHECK(strstr(reinterpret_cast<const char*>(getauxval(AT_EXECFN)), "exec") != nullptr);
}

TEST(E6_posix_spawn_runs_a_program) {
  pid_t child = 0;
  char* const arguments[] = {const_cast<char*>("sh"), const_cast<char*>("-c"), const_cast<char*>("exit 12"), nullptr};
  CHECK_EQ(posix_spawn(&child, "/bin/sh", nullptr, nullptr, arguments, environ), 0);
  CHECK_EQ(wait_for(child), 12);
  CHECK_EQ(posix_spawn(&child, "/nowhere", nullptr, nullptr, arguments, environ), ENOENT);
}

TEST(E6_system_and_popen_work) {
  CHECK_EQ(WEXITSTATUS(system("exit 6")), 6);
  FILE* stream = popen("echo from popen", "r");
  CHECK(stream != nullptr);
  char line[64] = {};
  CHECK(fgets(line, sizeof line, stream) != nullptr);
  CHECK_EQ(static_cast<const char*>(line), "from popen\n");
  CHECK_EQ(pclose(stream), 0);
}

TEST(fexecve_runs_an_open_file) {
  CHECK_EQ(in_child([] {
             const int file = CHECK_OK(open("/bin/busybox", O_RDONLY | O_CLOEXEC));
             char* const arguments[] = {const_cast<char*>("sh"), const_cast<char*>("-c"), const_cast<char*>("exit 8"),
                                        nullptr};
             fexecve(file, arguments, environ);
           }),
           8);
}

TEST(execveat_from_what_is_no_directory_says_ENOTDIR) {
  int ends[2];
  CHECK_OK(pipe(ends));
  const int files[] = {ends[0], CHECK_OK(socket(AF_UNIX, SOCK_STREAM, 0)), CHECK_OK(open("/bin/busybox", O_RDONLY)),
                       CHECK_OK(epoll_create1(0))};
  char* const none[] = {nullptr};
  for (const int file : files)
    for (const char* path : (const char*[]){"sh", "bin/sh", "..", "."})
      CHECK_ERRNO(syscall(SYS_execveat, file, path, none, none, 0), ENOTDIR);
}

TEST(set_user_id_changes_the_effective_user_and_AT_SECURE) {
  CHECK_EQ(in_child([] {
             CHECK_OK(setgid(1000));
             CHECK_OK(setuid(1000));
             const char* text = output_of("cp /bin/busybox /tmp/suid-copy && chmod 4755 /tmp/suid-copy && echo ok");
             CHECK_EQ(text, "ok\n");
           }),
           0);
  CHECK_EQ(in_child([] {
             CHECK_OK(setuid(1001));
             execl("/tmp/suid-copy", "id", "-u", static_cast<char*>(nullptr));
           }),
           0);
  struct stat status;
  CHECK_OK(stat("/tmp/suid-copy", &status));
  CHECK_EQ(status.st_uid, 1000u);
  CHECK(status.st_mode & S_ISUID);
  CHECK_OK(unlink("/tmp/suid-copy"));
}

TEST(C4_the_executable_stays_reachable_after_unlink) {
  CHECK_EQ(output_of("cp /bin/bash /tmp/gone; exec /tmp/gone -c 'rm /tmp/gone; readlink /proc/$$/exe; "
                     "(readlink /proc/$BASHPID/exe; :)'"),
           "/tmp/gone (deleted)\n/tmp/gone (deleted)\n");
}

TEST(other_threads_end_at_exec) {
  // The new program still runs when the thread, were it alive, would end the process with 1.
  CHECK_EQ(in_child([] {
             pthread_t other;
             CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
                        sleep_ms(200);
                        _exit(1);
                      }, nullptr), 0);
             execl("/bin/sh", "sh", "-c", "sleep 0.5; test $(ls /proc/self/task | wc -l) = 1 && exit 4",
                   static_cast<char*>(nullptr));
           }),
           4);
}

TEST(exec_from_a_second_thread_keeps_the_process_id) {
  auto& before = shared<pid_t>();
  static int in;
  int ends[2];
  CHECK_OK(pipe(ends));
  in = ends[1];
  const pid_t child = start_child([&] {
    before = getpid();
    pthread_t other;
    CHECK_EQ(pthread_create(&other, nullptr, [](void*) -> void* {
               dup2(in, STDOUT_FILENO);
               execl("/bin/sh", "sh", "-c", "echo $$", static_cast<char*>(nullptr));
               _exit(1);
             }, nullptr), 0);
    for (;;) pause();
  });
  CHECK_EQ(wait_for(child), 0);
  char text[16] = {};
  CHECK(read(ends[0], text, sizeof text - 1) > 0);
  CHECK_EQ(atoi(text), child);
  CHECK_EQ(before, child);
}

namespace {
pid_t clone_with_exit_signal(int signal) { return static_cast<pid_t>(CHECK_OK(syscall(SYS_clone, signal, 0, 0, 0, 0))); }
}  // namespace

TEST(the_end_of_a_new_program_is_told_by_SIGCHLD) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  CHECK_OK(sigprocmask(SIG_BLOCK, &set, nullptr));
  const pid_t child = clone_with_exit_signal(0);
  if (child == 0) {
    execl("/bin/busybox", "true", static_cast<char*>(nullptr));
    _exit(9);
  }
  CHECK_OK(waitid(P_PID, static_cast<id_t>(child), nullptr, WEXITED | WNOWAIT | __WALL));
  CHECK_EQ(wait_for(child), 0);
  const timespec limit = {3, 0};
  siginfo_t info = {};
  CHECK_EQ(sigtimedwait(&set, &info, &limit), SIGCHLD);
  CHECK_EQ(info.si_pid, child);
}

// Whatever an old program wanted its children to signal, a new one, which may be another user's, gets SIGCHLD.
TEST(the_end_of_the_old_programs_children_is_told_by_SIGCHLD) {
  const pid_t parent = start_child([] {
    int ends[2];
    CHECK_OK(pipe2(ends, O_CLOEXEC));
    if (clone_with_exit_signal(SIGUSR1) == 0) {
      close(ends[1]);
      char nothing;
      _exit(static_cast<int>(read(ends[0], &nothing, 1)));   // until the exec
    }
    execl("/bin/busybox", "sleep", "1", static_cast<char*>(nullptr));
  });
  CHECK_EQ(wait_for(parent), 0);
}
