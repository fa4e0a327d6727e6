// SPDX-License-Identifier: BSD-2-Clause
// Guest tests. A program holds named cases; the runner starts each as a process of its own:
//
//   TEST(E1_fork_returns_twice) {
//     const int status = in_child([] { _exit(3); });
//     CHECK_EQ(status, 3);
//   }
//
// A failed check prints where and with which values and ends the process with status 1, in a child too: its parent then
// sees that status where it expected another. SKIP(reason) ends the case as skipped. A test that carries a row of
// tests/seeds/rows.txt has the row's ID in front of its name. `// guest-test: tine-only` in a file keeps its cases
// off the control run on Linux; `// guest-test: boot WORD...` gives them a machine with these words on its kernel's command
// line.
#pragma once

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

namespace check {

struct Case {
  Case(const char* name, void (*body)());
  const char* name;
  void (*body)();
  Case* next = nullptr;
};

inline constexpr int kSkipped = 77;

using Ints = int[];  // for (int status : Ints{0, 1, 255}): there is no std::initializer_list here

// Print and end the process.
[[noreturn]] void fail(const char* file, int line, const char* format, ...) __attribute__((format(printf, 3, 4)));
[[noreturn]] void skip(const char* reason);

// The text of a value for a failure's message.
struct Text {
  char text[96];
};
template <class T>
Text show(T value) {
  Text out;
  if constexpr (__is_same(T, const char*) || __is_same(T, char*)) {
    snprintf(out.text, sizeof out.text, "\"%.80s\"", value);
  } else if constexpr (__is_pointer(T)) {
    snprintf(out.text, sizeof out.text, "%p", reinterpret_cast<const void*>(value));
  } else if constexpr (__is_floating_point(T)) {
    snprintf(out.text, sizeof out.text, "%g", static_cast<double>(value));
  } else if constexpr (static_cast<T>(-1) < static_cast<T>(1)) {
    snprintf(out.text, sizeof out.text, "%lld", static_cast<long long>(value));
  } else {
    snprintf(out.text, sizeof out.text, "%llu (%#llx)", static_cast<unsigned long long>(value),
             static_cast<unsigned long long>(value));
  }
  return out;
}

template <class A, class B>
bool equal(A a, B b) {
  if constexpr (__is_same(A, const char*) || __is_same(A, char*)) {
    return strcmp(a, b) == 0;
  } else {
    return a == static_cast<A>(b) && static_cast<B>(a) == b;
  }
}

// Waits for a child: its exit status, or 128 + the number of the signal that killed it.
int wait_for(pid_t child);

// Runs `body` in a forked child that then exits with 0; the child's status as from wait_for.
template <class Body>
pid_t start_child(Body body) {
  const pid_t child = fork();
  if (child < 0) fail(__FILE__, __LINE__, "fork: %s", strerror(errno));
  if (child == 0) {
    body();
    _exit(0);
  }
  return child;
}
template <class Body>
int in_child(Body body) {
  return wait_for(start_child(body));
}

void sleep_ms(long milliseconds);
int64_t now_ns();  // monotonic

// Tries `condition` until it holds; false after `seconds` of trying.
template <class Condition>
bool eventually(Condition condition, int seconds = 10) {
  const int64_t end = now_ns() + seconds * 1'000'000'000ll;
  while (!condition()) {
    if (now_ns() > end) return false;
    sleep_ms(1);
  }
  return true;
}

// An object that a process shares with the children that it forks.
template <class T>
T& shared() {
  void* page = mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
  return *static_cast<T*>(page);
}

// A pipe through which processes tell each other to go on.
class Gate {
 public:
  Gate();
  void open();  // lets one waiter through
  void wait();  // until open() is called, in whichever process
 private:
  int ends_[2];
};

// A file of the kernel's, such as /proc/self/stat, as text. Static storage: the next call overwrites it.
const char* read_text(const char* path);

}  // namespace check

using namespace check;

#define TEST(name)                                        \
  static void test_##name();                              \
  static ::check::Case case_##name(#name, test_##name);   \
  static void test_##name()

#define CHECK(condition)                                                        \
  do {                                                                          \
    if (!(condition)) ::check::fail(__FILE__, __LINE__, "not true: %s", #condition); \
  } while (0)

#define CHECK_EQ(actual, expected)                                                                             \
  do {                                                                                                         \
    auto check_actual = (actual);                                                                              \
    auto check_expected = (expected);                                                                          \
    if (!::check::equal(check_actual, check_expected))                                                         \
      ::check::fail(__FILE__, __LINE__, "%s is %s, not %s", #actual, ::check::show(check_actual).text,         \
                    ::check::show(check_expected).text);                                                       \
  } while (0)

// The call succeeds; its value, so that it can be used: `const int fd = CHECK_OK(open(...));`
#define CHECK_OK(call)                                                                              \
  ({                                                                                                \
    auto check_result = (call);                                                                     \
    if (check_result == static_cast<decltype(check_result)>(-1))                                    \
      ::check::fail(__FILE__, __LINE__, "%s: %s", #call, strerror(errno));                          \
    check_result;                                                                                   \
  })

// The call returns -1 and sets errno to this.
#define CHECK_ERRNO(call, expected_errno)                                                                    \
  do {                                                                                                       \
    errno = 0;                                                                                               \
    auto check_result = (call);                                                                              \
    const int check_errno = errno;                                                                           \
    if (check_result != static_cast<decltype(check_result)>(-1))                                             \
      ::check::fail(__FILE__, __LINE__, "%s is %s, not an error", #call, ::check::show(check_result).text);  \
    if (check_errno != (expected_errno))                                                                     \
      ::check::fail(__FILE__, __LINE__, "%s: %s, not %s (%s)", #call, strerror(check_errno),                 \
                    strerror(expected_errno), #expected_errno);                                              \
  } while (0)

#define SKIP(reason) ::check::skip(reason)
