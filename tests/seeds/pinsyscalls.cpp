// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// pinsyscalls(2) and the table in a program's file: calls are made from where they are said to be. Row C10.
#include "check.h"

#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <tine/syscall.h>

// A piece of code that only these tests run: two getpid, one exit.
asm(R"(
.text
.globl pin_text, pin_getpid, pin_getpid_2, pin_exit, pin_text_end
pin_text:
  nop
pin_call_getpid:
  mov $39, %eax
pin_getpid:
  syscall
  ret
pin_call_getpid_2:
  mov $39, %eax
pin_getpid_2:
  syscall
  ret
pin_call_exit:
  mov $231, %eax
pin_exit:
  syscall
  hlt
pin_call_fork:
  mov $57, %eax
pin_fork:
  syscall
  ret
pin_text_end:
)");
extern "C" {
extern const char pin_text[], pin_getpid[], pin_getpid_2[], pin_exit[], pin_fork[], pin_text_end[];
int pin_call_getpid();
int pin_call_getpid_2();
[[noreturn]] void pin_call_exit(int status);
int pin_call_fork();
}

namespace {

constexpr int kAborted = 128 + SIGABRT;
constexpr uint32_t kAnywhere = ~0u;

uint32_t offset_of(const char* place) { return static_cast<uint32_t>(place - pin_text); }

struct Pins {
  static constexpr int kCount = 512;
  uint32_t offsets[kCount] = {};
  int set() const {
    return pinsyscalls(const_cast<char*>(pin_text), static_cast<size_t>(pin_text_end - pin_text), offsets, kCount);
  }
};

// getpid from its first place and exit_group.
Pins two_calls() {
  Pins pins;
  pins.offsets[SYS_getpid] = offset_of(pin_getpid);
  pins.offsets[SYS_exit_group] = offset_of(pin_exit);
  return pins;
}

}  // namespace

TEST(C10_calls_from_their_place_are_made) {
  CHECK_EQ(in_child([] {
    const Pins pins = two_calls();
    CHECK_OK(pins.set());
    pin_call_exit(pin_call_getpid() > 0 ? 7 : 8);
  }), 7);
}

TEST(C10_calls_from_elsewhere_kill) {
  CHECK_EQ(in_child([] {   // in the text, but not there
    CHECK_OK(two_calls().set());
    pin_call_getpid_2();
    pin_call_exit(0);
  }), kAborted);
  CHECK_EQ(in_child([] {   // outside of it
    CHECK_OK(two_calls().set());
    syscall(SYS_getpid);
    pin_call_exit(0);
  }), kAborted);
  CHECK_EQ(in_child([] {   // never made
    CHECK_OK(two_calls().set());
    pin_call_fork();
    pin_call_exit(0);
  }), kAborted);
}

TEST(C10_killing_cannot_be_caught) {
  CHECK_EQ(in_child([] {
    signal(SIGABRT, [](int) { pin_call_exit(1); });
    CHECK_OK(two_calls().set());
    syscall(SYS_getpid);
    pin_call_exit(0);
  }), kAborted);
}

TEST(C10_a_call_may_have_several_places) {
  CHECK_EQ(in_child([] {
    Pins pins = two_calls();
    pins.offsets[SYS_getpid] = kAnywhere;
    CHECK_OK(pins.set());
    pin_call_exit(pin_call_getpid() == pin_call_getpid_2() ? 0 : 1);
  }), 0);
}

TEST(C10_table_is_set_once) {
  CHECK_EQ(in_child([] {
    Pins pins;
    for (uint32_t& offset : pins.offsets) offset = kAnywhere;
    // The whole program's text, so that the C library can go on.
    extern const char __executable_start[] __attribute__((weak)), etext[] __attribute__((weak));
    const char* start = __executable_start;
    const size_t size = static_cast<size_t>(etext - start);
    static uint32_t all[TINE_SYS_last + 1];
    for (uint32_t& offset : all) offset = kAnywhere;
    CHECK_OK(pinsyscalls(const_cast<char*>(start), size, all, TINE_SYS_last + 1));
    CHECK_ERRNO(pinsyscalls(const_cast<char*>(start), size, all, TINE_SYS_last + 1), EPERM);
    CHECK(strstr(read_text("/proc/self/status"), "\nPinned:\tlibc\n") != nullptr);
    CHECK_OK(raise(SIGURG));
    sleep_ms(1);
  }), 0);
}

TEST(C10_bad_tables_are_refused) {
  CHECK_EQ(in_child([] {
    uint32_t pins[4] = {};
    void* const base = const_cast<char*>(pin_text);
    CHECK_ERRNO(pinsyscalls(base, 0, pins, 4), EINVAL);
    CHECK_ERRNO(pinsyscalls(reinterpret_cast<void*>(~0ul << 12), 4096, pins, 4), EINVAL);
    CHECK_ERRNO(pinsyscalls(base, 16, pins, 100000), E2BIG);
    CHECK_ERRNO(pinsyscalls(base, 16, pins, -1), E2BIG);
    CHECK_ERRNO(pinsyscalls(base, 16, reinterpret_cast<uint32_t*>(8), 4), EFAULT);
    pins[2] = 16;
    CHECK_ERRNO(pinsyscalls(base, 16, pins, 4), ERANGE);
    CHECK(getpid() > 0);
  }), 0);
}

TEST(C10_fork_shares_the_tables) {
  auto& child_result = shared<int>();
  CHECK_EQ(in_child([&] {
    Pins pins = two_calls();
    pins.offsets[SYS_fork] = offset_of(pin_fork);
    CHECK_OK(pins.set());
    if (pin_call_fork() == 0) {
      child_result = pin_call_getpid() > 0 ? 1 : 2;
      syscall(SYS_getpid);   // killed
      child_result = 3;
      pin_call_exit(0);
    }
    while (__atomic_load_n(&child_result, __ATOMIC_RELAXED) == 0) continue;
    pin_call_exit(0);
  }), 0);
  sleep_ms(50);
  CHECK_EQ(child_result, 1);
}

TEST(C10_threads_are_pinned) {
  CHECK_EQ(in_child([] {
    static Gate ready;
    pthread_t thread;
    CHECK_EQ(pthread_create(&thread, nullptr, [](void*) -> void* {
      ready.open();
      for (;;) sched_yield();   // from the C library: soon killed
    }, nullptr), 0);
    ready.wait();
    CHECK_OK(two_calls().set());
    for (;;) {
    }
  }), kAborted);
}

TEST(C10_interrupted_calls_are_restarted) {
  CHECK_EQ(in_child([] {
    static uint32_t all[TINE_SYS_last + 1];
    for (uint32_t& offset : all) offset = kAnywhere;
    all[219] = 0;   // restart_syscall: the kernel's own
    extern const char __executable_start[] __attribute__((weak)), etext[] __attribute__((weak));
    CHECK_OK(pinsyscalls(const_cast<char*>(__executable_start), static_cast<size_t>(etext - __executable_start), all,
                         TINE_SYS_last + 1));
    const pid_t self = getpid();
    const pid_t other = start_child([self] {
      sleep_ms(20);
      kill(self, SIGSTOP);
      sleep_ms(20);
      kill(self, SIGCONT);
    });
    timespec time = {0, 200'000'000};
    CHECK_OK(nanosleep(&time, nullptr));
    CHECK_EQ(wait_for(other), 0);
  }), 0);
}

// --- The table in a file ---

namespace {

// A static program that exits with 5; its code is made from two calls, each at its own place.
struct Image {
  Elf64_Ehdr header = {};
  Elf64_Phdr segments[2] = {};
  uint32_t pins[2][2] = {};
  uint8_t code[64] = {};
};
constexpr uint64_t kBase = 0x400000;
constexpr uint32_t kCode = offsetof(Image, code);
// mov $39, %eax; syscall; mov $231, %eax; mov $5, %edi; syscall
constexpr uint8_t kProgram[] = {0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xb8, 231, 0, 0, 0, 0xbf, 5, 0, 0, 0, 0x0f, 0x05};
constexpr uint32_t kGetpidAt = kCode + 5, kExitAt = kCode + 17;

Image image() {
  Image image;
  memcpy(image.header.e_ident, ELFMAG, SELFMAG);
  image.header.e_ident[EI_CLASS] = ELFCLASS64;
  image.header.e_ident[EI_DATA] = ELFDATA2LSB;
  image.header.e_ident[EI_VERSION] = EV_CURRENT;
  image.header.e_type = ET_EXEC;
  image.header.e_machine = EM_X86_64;
  image.header.e_version = EV_CURRENT;
  image.header.e_entry = kBase + kCode;
  image.header.e_phoff = offsetof(Image, segments);
  image.header.e_ehsize = sizeof(Elf64_Ehdr);
  image.header.e_phentsize = sizeof(Elf64_Phdr);
  image.header.e_phnum = 2;
  image.segments[0] = {PT_LOAD, PF_R | PF_X, 0, kBase, kBase, sizeof image, sizeof image, 4096};
  image.segments[1] = {0x65a3dbe9, PF_R, offsetof(Image, pins), 0, 0, sizeof image.pins, 0, 4};
  image.pins[0][0] = kGetpidAt;
  image.pins[0][1] = SYS_getpid;
  image.pins[1][0] = kExitAt;
  image.pins[1][1] = SYS_exit_group;
  memcpy(image.code, kProgram, sizeof kProgram);
  return image;
}

// How the program ends; 200 + errno if exec refuses it.
int run_image(const Image& image) {
  const int file = CHECK_OK(open("/tmp/pinned", O_CREAT | O_TRUNC | O_WRONLY, 0755));
  CHECK_EQ(write(file, &image, sizeof image), static_cast<ssize_t>(sizeof image));
  CHECK_OK(close(file));
  const int status = in_child([] {
    char* const arguments[] = {const_cast<char*>("pinned"), nullptr};
    execve("/tmp/pinned", arguments, arguments + 1);
    _exit(200 + errno);
  });
  unlink("/tmp/pinned");
  return status;
}

}  // namespace

TEST(C10_exec_reads_the_programs_table) {
  CHECK_EQ(run_image(image()), 5);
  Image wrong = image();
  wrong.pins[0][0] = kGetpidAt + 1;
  CHECK_EQ(run_image(wrong), kAborted);
  Image missing = image();
  missing.pins[0][1] = SYS_getppid;
  CHECK_EQ(run_image(missing), kAborted);
  Image twice = image();
  twice.pins[0][1] = SYS_exit_group;
  CHECK_EQ(run_image(twice), kAborted);   // getpid has no place now
  Image without = image();
  without.header.e_phnum = 1;
  CHECK_EQ(run_image(without), 5);
}

TEST(C10_bad_tables_of_programs_are_refused) {
  constexpr int kNoExec = 200 + ENOEXEC;
  Image outside = image();
  outside.pins[0][0] = 4096;
  CHECK_EQ(run_image(outside), kNoExec);
  Image number = image();
  number.pins[0][1] = 1u << 20;
  CHECK_EQ(run_image(number), kNoExec);
  Image odd = image();
  odd.segments[1].p_filesz = 12;
  CHECK_EQ(run_image(odd), kNoExec);
  Image beyond = image();
  beyond.segments[1].p_offset = 1 << 20;
  CHECK_EQ(run_image(beyond), kNoExec);
  Image huge = image();
  huge.segments[1].p_filesz = 1u << 30;
  CHECK_EQ(run_image(huge), kNoExec);
}
