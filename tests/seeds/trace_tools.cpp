// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// The tools that record and show what processes did: tine-trace, ktrace and kdump, accton and lastcomm.
#include <ctype.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include "check.h"

namespace {

char text[4 << 20];

// Runs a shell command; its output is in `text`.
int run(const char* command) {
  FILE* output = popen(command, "r");
  CHECK(output != nullptr);
  const size_t size = fread(text, 1, sizeof text - 1, output);
  text[size] = '\0';
  const int status = pclose(output);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool says(const char* part) {
  if (strstr(text, part) != nullptr) return true;
  printf("no \"%s\" in:\n%.4000s\n", part, text);
  return false;
}

int count_of(const char* part) {
  int found = 0;
  for (const char* at = text; (at = strstr(at, part)) != nullptr; at += strlen(part)) found++;
  return found;
}

// --- JSON: whether a text is one value, as RFC 8259 has it ---

const char* skip_blanks(const char* at) {
  while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') at++;
  return at;
}

const char* skip_string(const char* at) {
  if (*at++ != '"') return nullptr;
  for (; *at != '"'; at++) {
    if (static_cast<unsigned char>(*at) < 0x20) return nullptr;
    if (*at == '\\' && strchr("\"\\/bfnrtu", *++at) == nullptr) return nullptr;
  }
  return at + 1;
}

// Past the value at `at`; null: it is none.
const char* skip_value(const char* at) {
  at = skip_blanks(at);
  if (*at == '"') return skip_string(at);
  if (*at == '-' || isdigit(*at)) {
    char* end;
    strtod(at, &end);
    return end;
  }
  if (*at != '{' && *at != '[') return nullptr;
  const bool object = *at == '{';
  const char close = object ? '}' : ']';
  at = skip_blanks(at + 1);
  if (*at == close) return at + 1;
  while (true) {
    if (object) {
      at = skip_string(skip_blanks(at));
      if (at == nullptr || *(at = skip_blanks(at)) != ':') return nullptr;
      at++;
    }
    at = skip_value(at);
    if (at == nullptr) return nullptr;
    at = skip_blanks(at);
    if (*at == close) return at + 1;
    if (*at++ != ',') return nullptr;
  }
}

bool is_json(const char* value) {
  const char* end = skip_value(value);
  return end != nullptr && *skip_blanks(end) == '\0';
}

}  // namespace

TEST(trace_json_is_checked_for_real) {
  CHECK(is_json("{\"a\": [1, -2.5e3, \"x\\\"y\", {}], \"b\": []}\n"));
  CHECK(!is_json("{\"a\": [1,]}"));
  CHECK(!is_json("{\"a\": 1} 2"));
  CHECK(!is_json("{\"a: 1}"));
  CHECK(!is_json("[1 2]"));
}

TEST(trace_has_an_arrow_for_each_fork_and_an_end_for_each_life) {
  unlink("/tmp/lives");
  CHECK_EQ(run("tine-trace record /tmp/lives bash -c '(exit 3) & (sleep 0.1; kill -9 $BASHPID) & wait; busybox true'"), 0);
  CHECK_EQ(run("grep -c proc:fork /tmp/lives"), 0);
  const int forks = atoi(text);
  CHECK(forks >= 4);
  CHECK_EQ(run("tine-trace chrome /tmp/lives"), 0);
  CHECK(is_json(text));
  CHECK_EQ(count_of("\"ph\":\"s\""), forks + count_of("\"name\":\"thread ") / 2);
  CHECK_EQ(count_of("\"ph\":\"f\""), count_of("\"ph\":\"s\""));
  CHECK(says("\"end\":\"exit 3\""));
  CHECK(says("\"end\":\"killed by signal 9\""));
  CHECK(says("\"end\":\"exec\""));
  CHECK(says("\"name\":\"busybox\""));
}

TEST(trace_shows_threads_and_vfork_waits) {
  CHECK_EQ(run("echo 1024 >/proc/sys/kern/trace_events"), 0);
  const pid_t child = vfork();
  if (child == 0) {
    execl("/bin/busybox", "true", nullptr);
    _exit(1);
  }
  CHECK_EQ(wait_for(child), 0);
  char wanted[64];
  CHECK_EQ(run("tine-trace chrome < /proc/tine/trace"), 0);
  CHECK(is_json(text));
  snprintf(wanted, sizeof wanted, "\"name\":\"vfork %d\"", child);
  CHECK_EQ(count_of(wanted), 2);   // the two ends of the arrow
  CHECK(says("\"name\":\"vfork wait\""));
  CHECK_EQ(run("echo 0 >/proc/sys/kern/trace_events"), 0);
}

TEST(trace_names_the_kernels_own_process) {
  CHECK_EQ(run("printf '# events=1 dropped=0 cpus=1 now=9\n5 proc:fork pid=0 tid=0 child=1 how=kernel name=init\n' | tine-trace chrome"), 0);
  CHECK(is_json(text));
  CHECK(says("\"name\":\"process_name\",\"args\":{\"name\":\"kernel\"}"));
}

TEST(trace_counts_what_it_dropped) {
  CHECK_EQ(run("echo 1024 >/proc/sys/kern/trace_events; i=0; while [ $i -lt 400 ]; do (:); i=$((i+1)); done; head -n 1 /proc/tine/trace"), 0);
  CHECK(says("# events="));
  CHECK(!strstr(text, "dropped=0 "));
  CHECK_EQ(run("tine-trace chrome < /proc/tine/trace 2>/dev/null"), 0);
  CHECK(is_json(text));
  CHECK_EQ(run("echo 0 >/proc/sys/kern/trace_events"), 0);
}

TEST(trace_tools_help_and_refuse) {
  constexpr const char* kTools[] = {"tine-trace", "ktrace", "kdump", "accton", "lastcomm"};
  for (const char* tool : kTools) {
    char command[64];
    snprintf(command, sizeof command, "%s --help", tool);
    CHECK_EQ(run(command), 0);
    CHECK(says("usage: "));
    snprintf(command, sizeof command, "%s -Z 2>&1", tool);
    CHECK_EQ(run(command), 2);
    CHECK(says("usage: "));
  }
  CHECK_EQ(run("echo nonsense | tine-trace chrome 2>&1"), 1);
  CHECK_EQ(run("tine-trace record /tmp/lives /no/such 2>&1"), 127);
  CHECK_EQ(run("kdump /no/such 2>&1"), 1);
  CHECK(says("kdump: /no/such: No such file or directory"));
}

TEST(kdump_prints_calls_names_io_and_errors) {
  CHECK_EQ(run("ktrace -f /tmp/kt head /etc/hosts /no/such 2>/dev/null"), 1);
  CHECK_EQ(run("kdump -f /tmp/kt"), 0);
  CHECK(says("CALL  open"));
  CHECK(says("O_RDONLY"));
  CHECK(says("NAMI  \"/etc/hosts\""));
  CHECK(says("errno 2 ENOENT No such file or directory"));
  CHECK(says("GIO   fd 1 wrote"));
  CHECK(says("localhost"));
  CHECK(says("[0] = \"head\", [1] = \"/etc/hosts\", [2] = \"/no/such\""));
  CHECK(says("CALL  exit_group(1)"));
  CHECK(!strstr(text, "RET   exit_group"));
}

TEST(kdump_options) {
  CHECK_EQ(run("ktrace -f /tmp/kt sh -c 'trap : USR1; kill -USR1 $$' >/dev/null"), 0);
  CHECK_EQ(run("kdump -f /tmp/kt -ts"), 0);
  CHECK(says("PSIG  SIGUSR1 caught handler="));
  CHECK(!strstr(text, "CALL"));
  CHECK_EQ(run("kdump -n -tc /tmp/kt"), 0);
  CHECK(says("CALL  #62("));
  CHECK_EQ(run("ktrace -f /tmp/kt -ti echo hello >/dev/null; kdump -X /tmp/kt"), 0);
  CHECK(says("0000  68 65 6c 6c 6f 0a"));
  CHECK(says("hello."));
  CHECK_EQ(run("kdump -R -H /tmp/kt"), 0);
  CHECK(says(" 0.000000 GIO"));
  CHECK_EQ(run("kdump -p 1 /tmp/kt"), 0);
  CHECK_EQ(text[0], '\0');
  CHECK_EQ(run("kdump /bin/busybox 2>&1"), 1);
  CHECK(says("not a trace file"));
}

TEST(ktrace_follows_children_and_ends) {
  CHECK_EQ(run("ktrace -i -f /tmp/kt -tc sh -c '(exit 1); (exit 2); exit 0'"), 0);
  CHECK_EQ(run("kdump /tmp/kt | awk '{print $1}' | sort -u | wc -l"), 0);
  CHECK_EQ(atoi(text), 3);
  const pid_t child = start_child([] {
    while (true) getppid();
  });
  char command[96];
  snprintf(command, sizeof command, "ktrace -f /tmp/kt -tc -p %d && sleep 0.1 && ktrace -c -p %d", child, child);
  CHECK_EQ(run(command), 0);
  sleep_ms(100);   // the record that was being written when the tracing ended
  struct stat before, after;
  CHECK_OK(stat("/tmp/kt", &before));
  CHECK(before.st_size > 0);
  sleep_ms(100);
  CHECK_OK(stat("/tmp/kt", &after));
  CHECK_EQ(after.st_size, before.st_size);
  kill(child, SIGKILL);
  wait_for(child);
}

TEST(lastcomm_tells_what_ended) {
  unlink("/tmp/acct");
  CHECK_EQ(run("accton /tmp/acct; busybox true; su user -c 'kill -9 $$'; (exit 5); accton"), 0);
  CHECK_EQ(run("lastcomm -f /tmp/acct"), 0);
  CHECK(says("busybox "));
  CHECK(says("user "));
  CHECK_EQ(run("lastcomm -f /tmp/acct busybox | wc -l"), 0);
  CHECK_EQ(atoi(text), 1);
  CHECK_EQ(run("lastcomm -f /tmp/acct user"), 0);
  CHECK(says(" X "));   // killed
  CHECK(!strstr(text, "busybox"));
  CHECK_EQ(run("lastcomm -f /no/such 2>&1"), 1);
  CHECK(says("lastcomm: /no/such: No such file or directory; accton FILE begins the recording"));
  // Where it looks by itself.
  CHECK_EQ(run("accton /var/account/acct && accton && lastcomm accton"), 0);
  CHECK(says("accton "));
}
