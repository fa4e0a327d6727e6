// SPDX-License-Identifier: BSD-2-Clause
// Address spaces: mmap and its relatives, copy on write, sharing across fork.
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "check.h"

namespace {
constexpr size_t kPage = 4096;
constexpr size_t kMiB = 1 << 20;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

char* map(size_t size, int protection = kReadWrite, int flags = MAP_PRIVATE | MAP_ANONYMOUS, int file = -1,
          off_t offset = 0) {
  void* const at = mmap(nullptr, size, protection, flags, file, offset);
  if (at == MAP_FAILED) fail(__FILE__, __LINE__, "mmap: %s", strerror(errno));
  return static_cast<char*>(at);
}

sigjmp_buf after_fault;

// Does a read (or a write) of this byte fault?
bool faults(volatile char* at, bool writing) {
  struct sigaction action = {}, old_segv, old_bus;
  action.sa_handler = [](int) { siglongjmp(after_fault, 1); };
  sigaction(SIGSEGV, &action, &old_segv);
  sigaction(SIGBUS, &action, &old_bus);
  const bool faulted = sigsetjmp(after_fault, 1) != 0;
  if (!faulted) {
    const char byte = *at;
    if (writing) *at = byte;
  }
  sigaction(SIGSEGV, &old_segv, nullptr);
  sigaction(SIGBUS, &old_bus, nullptr);
  return faulted;
}
bool readable(char* at) { return !faults(at, false); }
bool writable(char* at) { return !faults(at, true); }

int file_of(size_t size, char fill) {
  const int file = CHECK_OK(open("/tmp/mapped", O_RDWR | O_CREAT | O_TRUNC, 0600));
  CHECK_OK(unlink("/tmp/mapped"));
  char* data = static_cast<char*>(malloc(size));
  memset(data, fill, size);
  CHECK_EQ(write(file, data, size), static_cast<ssize_t>(size));
  free(data);
  return file;
}

uint64_t xorshift(uint64_t& state) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state;
}
}  // namespace

TEST(anonymous_memory_is_zero) {
  char* const at = map(kMiB);
  for (size_t i = 0; i < kMiB; i += 64) CHECK_EQ(at[i], 0);
  CHECK_OK(munmap(at, kMiB));
  CHECK(!readable(at));
}

TEST(memory_given_back_comes_again_as_zero) {
  char* const at = map(4 * kPage);
  memset(at, 0x5a, 4 * kPage);
  CHECK_OK(madvise(at + kPage, 2 * kPage, MADV_DONTNEED));
  CHECK_EQ(at[0], 0x5a);
  CHECK_EQ(at[kPage], 0);
  CHECK_EQ(at[3 * kPage - 1], 0);
  CHECK_EQ(at[3 * kPage], 0x5a);
}

TEST(mprotect_changes_access_of_a_part) {
  char* const at = map(3 * kPage);
  memset(at, 1, 3 * kPage);
  CHECK_OK(mprotect(at + kPage, kPage, PROT_READ));
  CHECK(writable(at) && readable(at + kPage) && !writable(at + kPage) && writable(at + 2 * kPage));
  CHECK_OK(mprotect(at + kPage, kPage, PROT_NONE));
  CHECK(!readable(at + kPage));
  CHECK_OK(mprotect(at, 3 * kPage, kReadWrite));
  CHECK(writable(at + kPage));
  CHECK_EQ(at[kPage], 1);
}

TEST(pages_without_execute_permission_do_not_run) {
  char* const code = map(kPage);
  code[0] = static_cast<char>(0xc3);  // ret
  CHECK_EQ(in_child([=] { reinterpret_cast<void (*)()>(code)(); }), 128 + SIGSEGV);
  CHECK_OK(mprotect(code, kPage, PROT_READ | PROT_EXEC));
  CHECK_EQ(in_child([=] { reinterpret_cast<void (*)()>(code)(); }), 0);
}

TEST(hole_in_the_middle) {
  char* const at = map(5 * kPage);
  memset(at, 7, 5 * kPage);
  CHECK_OK(munmap(at + 2 * kPage, kPage));
  CHECK(readable(at + kPage) && !readable(at + 2 * kPage) && readable(at + 3 * kPage));
  CHECK_OK(munmap(at, 5 * kPage));  // over the hole
  CHECK(!readable(at) && !readable(at + 4 * kPage));
}

TEST(MAP_FIXED_replaces_and_NOREPLACE_does_not) {
  char* const at = map(3 * kPage);
  memset(at, 1, 3 * kPage);
  CHECK_EQ(mmap(at + kPage, kPage, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0),
           static_cast<void*>(at + kPage));
  CHECK_EQ(at[kPage], 0);
  CHECK_EQ(at[2 * kPage], 1);
  constexpr int kNoReplace = 0x100000;
  CHECK_ERRNO(reinterpret_cast<intptr_t>(
                  mmap(at, kPage, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS | kNoReplace, -1, 0)),
              EEXIST);
}

TEST(errors) {
  const auto bad = [](void* hint, size_t size, int flags, int file, off_t offset) {
    return syscall(SYS_mmap, hint, size, PROT_READ, flags, file, offset);   // the SDK's mmap adds MAP_PRIVATE
  };
  constexpr int kAnonymous = MAP_PRIVATE | MAP_ANONYMOUS;
  CHECK_ERRNO(bad(nullptr, 0, kAnonymous, -1, 0), EINVAL);
  CHECK_ERRNO(bad(nullptr, kPage, MAP_ANONYMOUS, -1, 0), EINVAL);
  CHECK_ERRNO(bad(nullptr, kPage, MAP_PRIVATE, -1, 0), EBADF);
  CHECK_ERRNO(bad(nullptr, kPage, MAP_PRIVATE, 0, 1), EINVAL);
  CHECK_ERRNO(bad(nullptr, size_t{1} << 47, kAnonymous, -1, 0), ENOMEM);
  char* const at = map(kPage);
  CHECK_ERRNO(munmap(at + 1, kPage), EINVAL);
  CHECK_ERRNO(munmap(at, 0), EINVAL);
  CHECK_ERRNO(syscall(SYS_mprotect, at + 1, kPage, PROT_READ), EINVAL);  // musl's mprotect rounds
  CHECK_OK(munmap(at, kPage));
  CHECK_OK(munmap(at, kPage));
  CHECK_ERRNO(mprotect(at, kPage, PROT_READ), ENOMEM);
  CHECK_ERRNO(madvise(at, kPage, 9999), EINVAL);
}

TEST(C18_private_memory_is_copy_on_write_in_both_directions) {
  char* const at = map(4 * kPage);
  memset(at, 1, 4 * kPage);
  Gate child_wrote, parent_wrote;
  const pid_t child = start_child([&] {
    at[0] = 2;
    child_wrote.open();
    parent_wrote.wait();
    CHECK_EQ(at[kPage], 1);
    CHECK_EQ(at[0], 2);
  });
  child_wrote.wait();
  CHECK_EQ(at[0], 1);
  at[kPage] = 3;
  parent_wrote.open();
  CHECK_EQ(wait_for(child), 0);
  CHECK_EQ(at[kPage], 3);
}

TEST(C18_shared_memory_stays_shared_over_generations) {
  auto& counter = shared<int>();
  CHECK_EQ(in_child([&] {
             counter++;
             CHECK_EQ(in_child([&] { CHECK_EQ(in_child([&] { counter++; }), 0); counter++; }), 0);
           }),
           0);
  CHECK_EQ(counter, 3);
}

// Many generations write at random places of a private and a shared area and compare all with a model of each.
TEST(C18_random_writes_over_generations_match_a_model) {
  constexpr size_t kPages = 96, kGenerations = 12;
  char* const own = map(kPages * kPage);
  char* const common = map(kPages * kPage, kReadWrite, MAP_SHARED | MAP_ANONYMOUS);
  struct Model {
    uint8_t own[kPages], common[kPages];
  };
  auto& model = shared<Model>();
  uint64_t random = 88172645463325252;
  struct Generation {
    static void run(char* own, char* common, Model& model, uint64_t& random, size_t left) {
      uint8_t mine[kPages];
      memcpy(mine, model.own, sizeof mine);
      const auto write_some = [&] {
        for (int i = 0; i < 60; i++) {
          const size_t page = xorshift(random) % kPages;
          const uint8_t value = static_cast<uint8_t>(xorshift(random));
          const bool to_common = xorshift(random) & 1;
          (to_common ? common : own)[page * kPage + 100] = static_cast<char>(value);
          (to_common ? model.common : mine)[page] = value;
        }
      };
      const auto compare = [&] {
        for (size_t page = 0; page < kPages; page++) {
          CHECK_EQ(static_cast<uint8_t>(own[page * kPage + 100]), mine[page]);
          CHECK_EQ(static_cast<uint8_t>(common[page * kPage + 100]), model.common[page]);
        }
      };
      write_some();
      compare();
      if (left > 0) {
        memcpy(model.own, mine, sizeof mine);  // what the child starts from
        for (int child = 0; child < 2; child++) {
          memcpy(model.own, mine, sizeof mine);
          CHECK_EQ(in_child([&] { run(own, common, model, random, child ? 0 : left - 1); }), 0);
          compare();
          write_some();
        }
      }
      compare();
    }
  };
  Generation::run(own, common, model, random, kGenerations);
}

TEST(kernel_writes_into_shared_pages_copy_them_too) {
  int ends[2];
  CHECK_OK(pipe(ends));
  char* const at = map(2 * kPage);
  memset(at, 'p', 2 * kPage);
  const pid_t child = start_child([=] {
    CHECK_EQ(write(ends[1], "child", 5), 5);
    CHECK_EQ(read(ends[0], at + kPage - 2, 5), 5);  // across a page boundary
    CHECK(memcmp(at + kPage - 2, "child", 5) == 0);
  });
  CHECK_EQ(wait_for(child), 0);
  for (size_t i = 0; i < 2 * kPage; i++) CHECK_EQ(at[i], 'p');
}

TEST(grandchild_keeps_its_copy_when_its_ancestors_go) {
  char* const at = map(kMiB);
  memset(at, 'a', kMiB);
  Gate go, done;
  auto& right = shared<int>();
  CHECK_EQ(in_child([&] {
             memset(at, 'b', kMiB / 2);
             start_child([&] {
               go.wait();
               right = at[0] == 'b' && at[kMiB / 2 - 1] == 'b' && at[kMiB / 2] == 'a' && at[kMiB - 1] == 'a';
               done.open();
             });
           }),
           0);
  memset(at, 'c', kMiB);
  go.open();
  done.wait();
  CHECK_EQ(right, 1);
}

TEST(fork_after_fork_after_write_keeps_each_moment) {
  char* const at = map(64 * kPage);
  Gate go[8];
  pid_t children[8];
  for (int moment = 0; moment < 8; moment++) {
    memset(at, 'A' + moment, 64 * kPage);
    children[moment] = start_child([&, moment] {
      go[moment].wait();
      for (size_t i = 0; i < 64 * kPage; i += 512) CHECK_EQ(at[i], 'A' + moment);
    });
  }
  memset(at, '!', 64 * kPage);
  for (int moment = 7; moment >= 0; moment--) {
    go[moment].open();
    CHECK_EQ(wait_for(children[moment]), 0);
  }
}

TEST(C17_MADV_DONTFORK_leaves_a_hole_in_the_child) {
  char* const at = map(3 * kPage);
  memset(at, 1, 3 * kPage);
  CHECK_OK(madvise(at + kPage, kPage, MADV_DONTFORK));
  CHECK_EQ(in_child([=] { CHECK(readable(at) && !readable(at + kPage) && readable(at + 2 * kPage)); }), 0);
  CHECK_EQ(at[kPage], 1);
  CHECK_OK(madvise(at + kPage, kPage, MADV_DOFORK));
  CHECK_EQ(in_child([=] { CHECK(readable(at + kPage)); }), 0);
}

TEST(C17_MADV_WIPEONFORK_gives_the_child_zeros) {
  char* const at = map(3 * kPage);
  memset(at, 1, 3 * kPage);
  CHECK_OK(madvise(at + kPage, kPage, MADV_WIPEONFORK));
  CHECK_EQ(in_child([=] {
             CHECK_EQ(at[0], 1);
             CHECK_EQ(at[kPage], 0);
             CHECK_EQ(at[2 * kPage], 1);
             at[kPage] = 5;
             CHECK_EQ(in_child([=] { CHECK_EQ(at[kPage], 0); }), 0);  // and so on
           }),
           0);
  CHECK_EQ(at[kPage], 1);
  CHECK_OK(madvise(at + kPage, kPage, MADV_KEEPONFORK));
  CHECK_EQ(in_child([=] { CHECK_EQ(at[kPage], 1); }), 0);
}

TEST(MADV_DOFORK_and_MADV_KEEPONFORK_leave_each_others_marks_alone) {
  char* const at = map(kPage);
  at[0] = 1;
  CHECK_OK(madvise(at, kPage, MADV_WIPEONFORK));
  CHECK_OK(madvise(at, kPage, MADV_DONTFORK));
  CHECK_EQ(in_child([=] { CHECK(!readable(at)); }), 0);
  CHECK_OK(madvise(at, kPage, MADV_DOFORK));
  CHECK_EQ(in_child([=] { CHECK_EQ(at[0], 0); }), 0);
  CHECK_OK(madvise(at, kPage, MADV_DONTFORK));
  CHECK_OK(madvise(at, kPage, MADV_KEEPONFORK));
  CHECK_EQ(in_child([=] { CHECK(!readable(at)); }), 0);
  CHECK_OK(madvise(at, kPage, MADV_DOFORK));
  CHECK_EQ(in_child([=] { CHECK_EQ(at[0], 1); }), 0);
}

TEST(mprotect_in_the_child_leaves_the_parent_alone) {
  char* const at = map(2 * kPage);
  memset(at, 1, 2 * kPage);
  CHECK_EQ(in_child([=] {
             CHECK_OK(mprotect(at, kPage, PROT_READ));
             CHECK_OK(munmap(at + kPage, kPage));
           }),
           0);
  CHECK(writable(at) && readable(at + kPage));
}

TEST(private_file_mapping_does_not_change_the_file) {
  const int file = file_of(2 * kPage, 'f');
  char* const at = map(2 * kPage, kReadWrite, MAP_PRIVATE, file);
  CHECK_EQ(at[kPage], 'f');
  at[kPage] = 'x';
  char byte;
  CHECK_EQ(pread(file, &byte, 1, kPage), 1);
  CHECK_EQ(byte, 'f');
}

TEST(shared_file_mapping_and_file_are_one) {
  const int file = file_of(2 * kPage, 'f');
  char* const at = map(2 * kPage, kReadWrite, MAP_SHARED, file);
  at[kPage] = 'm';
  char byte;
  CHECK_EQ(pread(file, &byte, 1, kPage), 1);
  CHECK_EQ(byte, 'm');
  CHECK_EQ(pwrite(file, "w", 1, 7), 1);
  CHECK_EQ(at[7], 'w');
  CHECK_EQ(in_child([=] { at[8] = 'c'; }), 0);
  CHECK_EQ(at[8], 'c');
  CHECK_OK(msync(at, 2 * kPage, MS_SYNC));
}

TEST(access_behind_the_end_of_the_file_raises_SIGBUS) {
  const int file = file_of(100, 'f');
  char* const at = map(2 * kPage, PROT_READ, MAP_PRIVATE, file);
  CHECK_EQ(at[99], 'f');
  CHECK_EQ(at[100], 0);
  CHECK_EQ(in_child([=] { exit(at[kPage]); }), 128 + SIGBUS);
}

TEST(truncation_takes_mapped_pages_away) {
  const int file = file_of(2 * kPage, 'f');
  char* const at = map(2 * kPage, kReadWrite, MAP_SHARED, file);
  CHECK_EQ(at[kPage], 'f');
  CHECK_OK(ftruncate(file, kPage));
  CHECK(!readable(at + kPage));
  CHECK_OK(ftruncate(file, 2 * kPage));
  CHECK_EQ(at[kPage], 0);
}

TEST(shared_mapping_needs_a_descriptor_open_for_writing) {
  close(CHECK_OK(open("/tmp/readonly", O_WRONLY | O_CREAT, 0600)));
  const int file = CHECK_OK(open("/tmp/readonly", O_RDONLY));
  CHECK_ERRNO(reinterpret_cast<intptr_t>(mmap(nullptr, kPage, kReadWrite, MAP_SHARED, file, 0)), EACCES);
  map(kPage, kReadWrite, MAP_PRIVATE, file);
  char* const at = map(kPage, PROT_READ, MAP_SHARED, file);
  CHECK_ERRNO(mprotect(at, kPage, kReadWrite), EACCES);
  CHECK_OK(unlink("/tmp/readonly"));
}

TEST(mremap_moves_grows_and_shrinks) {
  char* at = map(2 * kPage);
  memset(at, 'r', 2 * kPage);
  map(kPage);  // often just below or above
  at = static_cast<char*>(mremap(at, 2 * kPage, 64 * kPage, MREMAP_MAYMOVE));
  CHECK(at != MAP_FAILED);
  CHECK_EQ(at[0], 'r');
  CHECK_EQ(at[2 * kPage - 1], 'r');
  CHECK_EQ(at[2 * kPage], 0);
  at[63 * kPage] = 'z';
  CHECK_EQ(mremap(at, 64 * kPage, kPage, 0), static_cast<void*>(at));
  CHECK(readable(at) && !readable(at + kPage));
}

TEST(brk_grows_and_shrinks_the_heap) {
  // musl's brk and sbrk refuse to: its malloc owns the heap.
  const long start = syscall(SYS_brk, 0);
  const long grown = start + 5 * static_cast<long>(kPage);
  CHECK_EQ(syscall(SYS_brk, grown), grown);
  char* const last = reinterpret_cast<char*>(grown - 1);
  CHECK_EQ(*last, 0);
  *last = 1;
  CHECK_EQ(in_child([=] {
             CHECK_EQ(*last, 1);
             CHECK_EQ(syscall(SYS_brk, start), start);
           }),
           0);
  CHECK_EQ(*last, 1);
  CHECK_EQ(syscall(SYS_brk, start), start);
  CHECK_EQ(syscall(SYS_brk, 1), start);  // an impossible end changes nothing
}

TEST(the_heap_does_not_grow_over_the_limit_of_locked_memory) {
  CHECK_EQ(in_child([] {
             CHECK_OK(mlockall(MCL_FUTURE));
             const rlimit little = {kPage, kPage};
             CHECK_OK(setrlimit(RLIMIT_MEMLOCK, &little));
             const long start = syscall(SYS_brk, 0);
             if (geteuid() == 0) CHECK_OK(setresuid(1000, 1000, 1000));
             CHECK_EQ(syscall(SYS_brk, start + kMiB), start);
           }),
           0);
}

TEST(stack_grows_by_itself_up_to_its_limit) {
  struct Down {
    // Each frame is used by the next, so that the recursion cannot become a loop.
    static long go(int left, volatile char* above = nullptr) {
      volatile char room[4096];
      room[0] = above ? *above : 1;
      return left ? go(left - 1, room) + room[0] : 0;
    }
  };
  CHECK_EQ(in_child([] {
             const rlimit limit = {256 * 1024, 256 * 1024};
             CHECK_OK(setrlimit(RLIMIT_STACK, &limit));
             Down::go(1500);
           }),
           128 + SIGSEGV);
  Down::go(1500);  // 6 MiB of the usual 8
}

TEST(a_stack_does_not_grow_over_the_lowest_addresses) {
  constexpr uintptr_t kLowest = 0x10000;
  void* const stack = mmap(reinterpret_cast<void*>(kLowest), kPage, kReadWrite,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_GROWSDOWN, -1, 0);
  CHECK(stack != MAP_FAILED);
  CHECK(!writable(reinterpret_cast<char*>(kLowest - kPage)));
  CHECK_OK(munmap(stack, kPage));
}

TEST(only_private_anonymous_memory_grows_down) {
  const int file = file_of(kPage, 'f');
  CHECK_ERRNO(reinterpret_cast<intptr_t>(mmap(nullptr, kPage, kReadWrite, MAP_PRIVATE | MAP_GROWSDOWN, file, 0)), EINVAL);
  CHECK_ERRNO(reinterpret_cast<intptr_t>(mmap(nullptr, kPage, kReadWrite, MAP_SHARED | MAP_GROWSDOWN, file, 0)), EINVAL);
  const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_GROWSDOWN;
  CHECK_ERRNO(reinterpret_cast<intptr_t>(mmap(nullptr, kPage, kReadWrite, flags, -1, 0)), EINVAL);
}

TEST(mincore_tells_what_was_touched) {
  char* const at = map(4 * kPage);
  at[kPage] = 1;
  unsigned char in_core[4];
  CHECK_OK(mincore(at, 4 * kPage, in_core));
  CHECK_EQ(in_core[1] & 1, 1);
  CHECK_EQ(in_core[3] & 1, 0);
  CHECK_OK(munmap(at, 4 * kPage));
  CHECK_ERRNO(mincore(at, kPage, in_core), ENOMEM);
}

TEST(RLIMIT_AS_bounds_the_address_space) {
  CHECK_EQ(in_child([] {
             const rlimit limit = {64 * kMiB, 64 * kMiB};
             CHECK_OK(setrlimit(RLIMIT_AS, &limit));
             map(16 * kMiB);
             CHECK_ERRNO(reinterpret_cast<intptr_t>(
                             mmap(nullptr, 64 * kMiB, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)),
                         ENOMEM);
           }),
           0);
}

TEST(system_calls_refuse_bad_user_pointers) {
  int ends[2];
  CHECK_OK(pipe(ends));
  char* const hole = map(2 * kPage);
  CHECK_OK(munmap(hole + kPage, kPage));
  CHECK_ERRNO(write(ends[1], hole + kPage, 10), EFAULT);
  CHECK_ERRNO(write(ends[1], reinterpret_cast<char*>(0xffffffff80000000), 10), EFAULT);
  CHECK_ERRNO(write(ends[1], reinterpret_cast<char*>(0x800000000000), 10), EFAULT);
  CHECK_EQ(write(ends[1], "abc", 3), 3);
  CHECK_OK(mprotect(hole, kPage, PROT_READ));
  CHECK_ERRNO(read(ends[0], hole, 3), EFAULT);
}

TEST(twenty_thousand_mappings) {
  constexpr size_t kCount = 20'000;
  char* const at = map(2 * kCount * kPage, PROT_NONE);
  size_t made = 0;
  for (; made < kCount; made++) {
    if (mprotect(at + 2 * made * kPage, kPage, kReadWrite) != 0) break;
    at[2 * made * kPage] = static_cast<char>(made);
  }
  CHECK(made == kCount);
  CHECK_EQ(in_child([=] {
             for (size_t i = 0; i < kCount; i += 97) CHECK_EQ(at[2 * i * kPage], static_cast<char>(i));
             CHECK(!readable(at + kPage));
           }),
           0);
}

TEST(no_call_cuts_regions_beyond_their_greatest_number) {
  char* const at = map(3 * kPage, PROT_NONE);
  // Neighbours that do not merge.
  int made = 0;
  while (mmap(nullptr, kPage, made % 2 ? PROT_READ : kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) made++;
  CHECK_EQ(errno, ENOMEM);
  CHECK(made > 60'000);
  CHECK_ERRNO(munmap(at + kPage, kPage), ENOMEM);
  CHECK_ERRNO(mprotect(at + kPage, kPage, PROT_READ), ENOMEM);
  CHECK_ERRNO(mlock(at + kPage, kPage), ENOMEM);
  CHECK(madvise(at + kPage, kPage, MADV_DONTFORK) == -1);
  CHECK_OK(munmap(at, 3 * kPage));
}

TEST(fork_with_much_memory_touched) {
  constexpr size_t kSize = 192 * kMiB;
  char* const at = map(kSize);
  for (size_t i = 0; i < kSize; i += kPage) at[i] = static_cast<char>(i >> 12);
  const pid_t child = start_child([=] {
    for (size_t i = 0; i < kSize; i += kPage) {
      CHECK_EQ(at[i], static_cast<char>(i >> 12));
      at[i] = 'c';
    }
    for (size_t i = 0; i < kSize; i += kPage) CHECK_EQ(at[i], 'c');
  });
  for (size_t i = 0; i < kSize; i += kPage) at[i] = static_cast<char>((i >> 12) + 1);
  CHECK_EQ(wait_for(child), 0);
  for (size_t i = 0; i < kSize; i += kPage) CHECK_EQ(at[i], static_cast<char>((i >> 12) + 1));
}

// As many regions as a process may have: what the kernel does to each must not need stack for each level of its tree.
TEST(fork_with_very_many_regions_to_wipe) {
  constexpr size_t kRegions = 60'000;
  char* const pages = map(kRegions * kPage);
  for (size_t i = 1; i < kRegions; i += 2) CHECK_OK(mprotect(pages + i * kPage, kPage, PROT_READ));
  pages[0] = pages[(kRegions - 2) * kPage] = 1;
  CHECK_OK(madvise(pages, kRegions * kPage, MADV_WIPEONFORK));
  const int status = in_child([&] {
    CHECK_EQ(pages[0], 0);
    CHECK_EQ(pages[(kRegions - 2) * kPage], 0);
  });
  CHECK_EQ(status, 0);
  CHECK_EQ(pages[0], 1);
}
