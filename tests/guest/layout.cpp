// SPDX-License-Identifier: BSD-2-Clause
// Where programs lie: how many bits of each address are random, and that everything has room to grow. The programs are
// made here, of one piece of code that runs anywhere: it asks for memory in several ways and prints where it got it.
#include <elf.h>
#include <fcntl.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "check.h"

namespace {

constexpr uint64_t kMiB = 1 << 20, kGiB = 1 << 30;

// What the code prints. Addresses that are no addresses are negated errors.
struct Places {
  uint64_t stack;    // its stack pointer at the start
  uint64_t heap;     // brk(0)
  uint64_t code;
  uint64_t mapping;  // mmap() of one page
  uint64_t large;    // of 200 GiB that nobody touches
  uint64_t shadow;   // of the range that AddressSanitizer wants, when it is free
  uint64_t low;      // with MAP_32BIT
  uint64_t grown;    // the heap's end, after it was asked to grow by 256 MiB
};
constexpr uint64_t kShadow = 0x7fff8000, kShadowEnd = 0x10007fff8000;

extern "C" const char layout_code[], layout_code_end[];
asm(R"(
  .section .rodata
  layout_code:
    mov %rsp, %rbx
    sub $64, %rsp
    mov %rbx, (%rsp)
    mov $12, %eax
    xor %edi, %edi
    syscall
    mov %rax, 8(%rsp)
    lea layout_code(%rip), %rax
    mov %rax, 16(%rsp)
    # mmap(rdi, rsi, rdx, r10, -1, 0)
    mov $-1, %r8
    xor %r9d, %r9d
    xor %edi, %edi
    mov $4096, %esi
    mov $3, %edx
    mov $0x22, %r10d        # MAP_PRIVATE | MAP_ANONYMOUS
    mov $9, %eax
    syscall
    mov %rax, 24(%rsp)
    xor %edi, %edi
    mov $0x3200000000, %rsi
    xor %edx, %edx
    mov $0x4022, %r10d      # and MAP_NORESERVE
    mov $9, %eax
    syscall
    mov %rax, 32(%rsp)
    mov $0x7fff8000, %edi
    mov $0x10007fff8000, %rsi
    sub %rdi, %rsi
    xor %edx, %edx
    mov $0x104022, %r10d    # and MAP_FIXED_NOREPLACE
    mov $9, %eax
    syscall
    mov %rax, 40(%rsp)
    mov 8(%rsp), %rdi
    add $0x10000000, %rdi
    mov $12, %eax
    syscall
    mov %rax, 56(%rsp)
    xor %edi, %edi
    mov $4096, %esi
    xor %edx, %edx
    mov $0x62, %r10d        # MAP_32BIT
    mov $9, %eax
    syscall
    mov %rax, 48(%rsp)
    mov $1, %eax
    mov $1, %edi
    mov %rsp, %rsi
    mov $64, %edx
    syscall
    mov $60, %eax
    xor %edi, %edi
    syscall
  layout_code_end:
  .text
)");

constexpr char kMovable[] = "/tmp/movable", kLinked[] = "/tmp/linked", kDynamic[] = "/tmp/dynamic";

struct Image {
  Elf64_Ehdr header;
  Elf64_Phdr segments[2];
  char interpreter[64];
  char code[1024];
};

// An ELF file of that code. `interpreter`: what PT_INTERP names, or null.
void make_program(const char* path, Elf64_Half type, uint64_t base, const char* interpreter) {
  Image image = {};
  memcpy(image.header.e_ident, ELFMAG, SELFMAG);
  image.header.e_ident[EI_CLASS] = ELFCLASS64;
  image.header.e_ident[EI_DATA] = ELFDATA2LSB;
  image.header.e_ident[EI_VERSION] = EV_CURRENT;
  image.header.e_type = type;
  image.header.e_machine = EM_X86_64;
  image.header.e_version = EV_CURRENT;
  image.header.e_entry = base + offsetof(Image, code);
  image.header.e_phoff = offsetof(Image, segments);
  image.header.e_ehsize = sizeof(Elf64_Ehdr);
  image.header.e_phentsize = sizeof(Elf64_Phdr);
  image.header.e_phnum = interpreter != nullptr ? 2 : 1;
  Elf64_Phdr* segment = image.segments;
  if (interpreter != nullptr) {
    strcpy(image.interpreter, interpreter);
    segment->p_type = PT_INTERP;
    segment->p_flags = PF_R;
    segment->p_offset = offsetof(Image, interpreter);
    segment->p_filesz = segment->p_memsz = strlen(interpreter) + 1;
    ++segment;
  }
  segment->p_type = PT_LOAD;
  segment->p_flags = PF_R | PF_W | PF_X;  // Linux writes to the end of a dynamic linker
  segment->p_vaddr = segment->p_paddr = base;
  segment->p_filesz = segment->p_memsz = sizeof image;
  segment->p_align = 4096;
  memcpy(image.code, layout_code, static_cast<size_t>(layout_code_end - layout_code));
  const int file = CHECK_OK(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755));
  CHECK_EQ(write(file, &image, sizeof image), static_cast<ssize_t>(sizeof image));
  CHECK_OK(close(file));
}

void make_programs() {
  make_program(kMovable, ET_DYN, 0, nullptr);
  make_program(kLinked, ET_EXEC, 0x400000, nullptr);
  make_program(kDynamic, ET_EXEC, 0x400000, kMovable);
}

Places run(const char* path) {
  int ends[2];
  CHECK_OK(pipe(ends));
  const pid_t child = start_child([&] {
    dup2(ends[1], STDOUT_FILENO);
    char* const arguments[] = {const_cast<char*>(path), nullptr};
    execve(path, arguments, arguments + 1);
    fail(__FILE__, __LINE__, "execve(%s): %s", path, strerror(errno));
  });
  close(ends[1]);
  Places places;
  CHECK_EQ(read(ends[0], &places, sizeof places), static_cast<ssize_t>(sizeof places));
  close(ends[0]);
  CHECK_EQ(wait_for(child), 0);
  return places;
}

// How many bits of each address differ between runs. A bit that is random stays the same in 64 runs once in 2^63 times.
struct Bits {
  int stack, heap, code, mapping;
};
Bits random_bits(const char* path) {
  Places first = run(path);
  uint64_t stack = 0, heap = 0, code = 0, mapping = 0;
  for (int i = 0; i < 64; i++) {
    const Places places = run(path);
    stack |= places.stack ^ first.stack;
    heap |= places.heap ^ first.heap;
    code |= places.code ^ first.code;
    mapping |= places.mapping ^ first.mapping;
  }
  const auto count = [](uint64_t bits) { return __builtin_popcountll(bits); };
  return {count(stack), count(heap), count(code), count(mapping)};
}

void check_room(const Places& places) {
  CHECK(places.large < 0x7fff'ffff'f000);
  CHECK(places.low < 2 * kGiB);
  CHECK_EQ(places.grown, places.heap + 256 * kMiB);
}

}  // namespace

TEST(layout_of_a_movable_program_is_as_random_as_on_linux) {
  make_programs();
  const Bits bits = random_bits(kMovable);
  CHECK(bits.code >= 28);
  CHECK(bits.mapping >= 28);
  CHECK(bits.stack >= 22 + 8);
  CHECK(bits.heap >= 18);
}

TEST(layout_of_a_linked_program_is_as_random_as_on_linux) {
  make_programs();
  const char* const programs[] = {kLinked, kDynamic};
  for (const char* path : programs) {
    const Bits bits = random_bits(path);
    CHECK(bits.mapping >= 28);
    CHECK(bits.stack >= 22 + 8);
    CHECK(bits.heap >= 18);
  }
}

TEST(layout_leaves_room_for_heap_and_large_mappings) {
  make_programs();
  for (int i = 0; i < 20; i++) {
    const Places movable = run(kMovable);
    check_room(movable);
    CHECK_EQ(movable.shadow, kShadow);
    const Places dynamic = run(kDynamic);
    check_room(dynamic);
    check_room(run(kLinked));
  }
}

// The heap lies behind a program at a fixed address, but not in the way of AddressSanitizer.
TEST(layout_keeps_a_dynamic_programs_parts_out_of_the_sanitizers_range) {
  make_programs();
  for (int i = 0; i < 20; i++) {
    const Places places = run(kDynamic);
    CHECK(places.heap < kShadow);
    CHECK(places.stack > kShadowEnd);
    CHECK(places.mapping > kShadowEnd);
    CHECK_EQ(places.shadow, kShadow);
  }
}

TEST(layout_lets_a_stack_grow_to_a_large_limit) {
  struct Down {
    static long go(int left, volatile char* above = nullptr) {
      volatile char room[65536];
      room[0] = above ? *above : 1;
      return left ? go(left - 1, room) + room[0] : 0;
    }
  };
  CHECK_EQ(in_child([] {
             const rlimit limit = {kGiB, kGiB};
             CHECK_OK(setrlimit(RLIMIT_STACK, &limit));
             if (Down::go(900 * 16) == 0) _exit(1);  // 900 MiB, of which each 16th page is touched
           }),
           0);
}
