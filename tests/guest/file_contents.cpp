// SPDX-License-Identifier: BSD-2-Clause
// What files hold: holes, preallocation, copies inside the kernel, memory files and their seals.
#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "check.h"

namespace {
constexpr off_t kPage = 4096;

int new_file(const char* path) { return CHECK_OK(open(path, O_RDWR | O_CREAT | O_TRUNC, 0644)); }

int memory_file(unsigned flags) { return static_cast<int>(CHECK_OK(syscall(SYS_memfd_create, "test", flags))); }

off_t size_of(int file) {
  struct stat info;
  CHECK_OK(fstat(file, &info));
  return info.st_size;
}
blkcnt_t blocks_of(int file) {
  struct stat info;
  CHECK_OK(fstat(file, &info));
  return info.st_blocks;
}
constexpr unsigned kAllowSealing = 2;
constexpr int kAddSeals = 1033, kGetSeals = 1034, kSealSeal = 1, kSealShrink = 2, kSealGrow = 4, kSealWrite = 8,
              kSealFutureWrite = 16;
}  // namespace

TEST(data_and_holes_can_be_sought) {
  const int file = new_file("/tmp/sparse");
  CHECK_EQ(pwrite(file, "x", 1, 10 * kPage), 1);
  CHECK_OK(ftruncate(file, 20 * kPage));
  CHECK_EQ(lseek(file, 0, SEEK_DATA), 10 * kPage);
  CHECK_EQ(lseek(file, 10 * kPage + 1, SEEK_DATA), 10 * kPage + 1);
  CHECK_EQ(lseek(file, 10 * kPage, SEEK_HOLE), 11 * kPage);
  CHECK_EQ(lseek(file, 0, SEEK_HOLE), 0);
  CHECK_ERRNO(lseek(file, 11 * kPage, SEEK_DATA), ENXIO);
  CHECK_ERRNO(lseek(file, 20 * kPage, SEEK_HOLE), ENXIO);
  CHECK_EQ(blocks_of(file), 8);
}

TEST(fallocate_reserves_punches_and_zeroes) {
  const int file = new_file("/tmp/allocated");
  CHECK_OK(fallocate(file, 0, 0, 3 * kPage));
  CHECK_EQ(size_of(file), 3 * kPage);
  CHECK_EQ(blocks_of(file), 24);
  CHECK_OK(fallocate(file, FALLOC_FL_KEEP_SIZE, 3 * kPage, kPage));
  CHECK_EQ(size_of(file), 3 * kPage);
  for (off_t at = 0; at < 3 * kPage; at++) CHECK_EQ(pwrite(file, "x", 1, at), 1);
  CHECK_OK(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100, 2 * kPage));
  static char all[3 * kPage];
  CHECK_EQ(pread(file, all, sizeof all, 0), static_cast<ssize_t>(sizeof all));
  for (off_t at = 0; at < 3 * kPage; at++) CHECK_EQ(all[at], at >= 100 && at < 100 + 2 * kPage ? 0 : 'x');
  CHECK_ERRNO(fallocate(file, 0, 0, 0), EINVAL);
  CHECK_ERRNO(fallocate(file, FALLOC_FL_PUNCH_HOLE, 0, kPage), EOPNOTSUPP);
}

TEST(bytes_after_a_cut_are_gone_for_good) {
  const int file = new_file("/tmp/cut");
  CHECK_EQ(write(file, "secret", 6), 6);
  CHECK_OK(ftruncate(file, 2));
  CHECK_OK(ftruncate(file, 6));
  char text[6];
  CHECK_EQ(pread(file, text, 6, 0), 6);
  CHECK(memcmp(text, "se\0\0\0\0", 6) == 0);
}

TEST(sendfile_and_copy_file_range) {
  const int from = new_file("/tmp/from");
  static char block[100'000];
  for (size_t i = 0; i < sizeof block; i++) block[i] = static_cast<char>(i * 7);
  CHECK_EQ(write(from, block, sizeof block), static_cast<ssize_t>(sizeof block));
  const int to = new_file("/tmp/to");
  off_t offset = 1000;
  CHECK_EQ(sendfile(to, from, &offset, 50'000), 50'000);
  CHECK_EQ(offset, 51'000);
  CHECK_EQ(lseek(to, 0, SEEK_CUR), 50'000);
  long in = 51'000, out = 50'000;
  CHECK_EQ(syscall(SYS_copy_file_range, from, &in, to, &out, 1'000'000ul, 0u), 49'000);
  static char copy[99'000];
  CHECK_EQ(pread(to, copy, sizeof copy, 0), 99'000);
  CHECK(memcmp(copy, block + 1000, sizeof copy) == 0);
  int ends[2];
  CHECK_OK(pipe(ends));
  offset = 0;
  CHECK_EQ(sendfile(ends[1], from, &offset, 5000), 5000);
  CHECK_EQ(read(ends[0], copy, sizeof copy), 5000);
  CHECK_ERRNO(syscall(SYS_copy_file_range, ends[0], nullptr, to, nullptr, 10ul, 0u), EINVAL);
  in = 0, out = 10;
  CHECK_ERRNO(syscall(SYS_copy_file_range, from, &in, from, &out, 100ul, 0u), EINVAL);
}

TEST(vectors_are_checked_as_a_whole) {
  const int file = new_file("/tmp/vectors");
  char bytes[4] = {'a', 'b', 'c', 'd'};
  iovec good[2] = {{bytes, 1}, {bytes + 3, 1}};
  CHECK_EQ(writev(file, good, 2), 2);
  iovec huge[2] = {{bytes, 1}, {bytes, ~size_t{0}}};
  CHECK_ERRNO(writev(file, huge, 2), EINVAL);
  CHECK_ERRNO(writev(file, good, 2000), EINVAL);
  CHECK_ERRNO(writev(file, good, -1), EINVAL);
  CHECK_EQ(writev(file, good, 0), 0);
  CHECK_ERRNO(pwritev(file, good, 2, -5), EINVAL);
}

TEST(a_bad_address_in_the_middle_gives_a_short_count) {
  char* const pages = static_cast<char*>(
      mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  memset(pages, 'p', kPage);
  CHECK_OK(munmap(pages + kPage, kPage));
  const int file = new_file("/tmp/faulty");
  CHECK_EQ(write(file, pages + kPage - 10, 20), 10);
  CHECK_ERRNO(write(file, pages + kPage, 20), EFAULT);
  CHECK_EQ(pread(file, pages + kPage - 4, 10, 0), 4);
  CHECK_ERRNO(pread(file, reinterpret_cast<void*>(-1l << 40), 10, 0), EFAULT);
}

TEST(memory_files_and_their_seals) {
  const int plain = memory_file(0);
  CHECK_EQ(fcntl(plain, kGetSeals), kSealSeal);
  CHECK_ERRNO(fcntl(plain, kAddSeals, kSealWrite), EPERM);
  const int file = memory_file(kAllowSealing);
  CHECK_EQ(fcntl(file, kGetSeals), 0);
  CHECK_EQ(write(file, "fixed", 5), 5);
  void* const shared = mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  CHECK(shared != MAP_FAILED);
  CHECK_ERRNO(fcntl(file, kAddSeals, kSealWrite), EBUSY);
  CHECK_OK(munmap(shared, kPage));
  CHECK_OK(fcntl(file, kAddSeals, kSealShrink | kSealGrow));
  CHECK_ERRNO(ftruncate(file, 2), EPERM);
  CHECK_ERRNO(ftruncate(file, 20), EPERM);
  CHECK_ERRNO(pwrite(file, "longer than it", 14, 0), EPERM);
  CHECK_EQ(pwrite(file, "FIXED", 5, 0), 5);
  CHECK_OK(fcntl(file, kAddSeals, kSealWrite | kSealSeal));
  CHECK_ERRNO(pwrite(file, "x", 1, 0), EPERM);
  CHECK_ERRNO(fcntl(file, kAddSeals, kSealGrow), EPERM);
  char name[64], target[64] = {};
  snprintf(name, sizeof name, "/proc/self/fd/%d", file);
  CHECK_OK(readlink(name, target, sizeof target - 1));
  CHECK_EQ(static_cast<const char*>(target), "/memfd:test (deleted)");
}

TEST(a_file_sealed_against_writing_cannot_be_mapped_for_it) {
  constexpr int kSeals[] = {kSealWrite, kSealFutureWrite};
  for (const int seal : kSeals) {
    const int file = memory_file(kAllowSealing);
    CHECK_EQ(write(file, "fixed", 5), 5);
    CHECK_OK(fcntl(file, kAddSeals, seal));
    CHECK(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0) == MAP_FAILED);
    CHECK_EQ(errno, EPERM);
    CHECK_ERRNO(fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, 5), EPERM);
    auto* const own = static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0));
    CHECK(own != MAP_FAILED);
    own[0] = 'F';
    char now[6] = {};
    CHECK_EQ(pread(file, now, 5, 0), 5);
    CHECK_EQ(static_cast<const char*>(now), "fixed");
    CHECK_OK(munmap(own, kPage));
    close(file);
  }
}

TEST(mappings_from_before_F_SEAL_FUTURE_WRITE_stay_the_last_that_write) {
  const int file = memory_file(kAllowSealing);
  CHECK_EQ(write(file, "fixed", 5), 5);
  auto* const before = static_cast<char*>(mmap(nullptr, kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
  CHECK(before != MAP_FAILED);
  CHECK_OK(fcntl(file, kAddSeals, kSealFutureWrite));
  auto* const after = static_cast<char*>(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, file, 0));
  CHECK(after != MAP_FAILED);
  CHECK_ERRNO(mprotect(after, kPage, PROT_READ | PROT_WRITE), EACCES);
  before[0] = 'F';
  CHECK_EQ(after[0], 'F');
}

TEST(a_full_file_system_says_ENOSPC) {
  CHECK_OK(mkdir("/tmp/small", 0755));
  if (syscall(SYS_mount, "none", "/tmp/small", "tmpfs", 0ul, "size=64k") != 0) SKIP("cannot mount");
  const int file = new_file("/tmp/small/file");
  static char block[4096];
  int written = 0;
  while (write(file, block, sizeof block) == static_cast<ssize_t>(sizeof block)) written++;
  CHECK_EQ(errno, ENOSPC);
  CHECK(written <= 16);
  struct statfs info;
  CHECK_OK(fstatfs(file, &info));
  CHECK_EQ(info.f_blocks, 16u);
  CHECK_EQ(info.f_bfree, 0u);
  CHECK_OK(ftruncate(file, 0));
  CHECK_EQ(write(file, block, sizeof block), static_cast<ssize_t>(sizeof block));
  close(file);
  CHECK_OK(syscall(SYS_umount2, "/tmp/small", 0));
}

TEST(a_failed_fallocate_keeps_nothing) {
  CHECK_OK(mkdir("/tmp/few", 0755));
  if (syscall(SYS_mount, "none", "/tmp/few", "tmpfs", 0ul, "size=64k") != 0) SKIP("cannot mount");
  const int file = new_file("/tmp/few/file");
  for (const off_t at : (const off_t[]){3, 30}) CHECK_EQ(pwrite(file, "x", 1, at * kPage), 1);
  for (const off_t pages : (const off_t[]){16, 20, 1000}) CHECK_ERRNO(fallocate(file, 0, 0, pages * kPage), ENOSPC);
  CHECK_EQ(blocks_of(file), 2 * 8);
  CHECK_EQ(size_of(file), 30 * kPage + 1);
  CHECK_OK(fallocate(file, 0, 0, 15 * kPage));
  CHECK_EQ(blocks_of(file), 16 * 8);
  char byte;
  CHECK_EQ(pread(file, &byte, 1, 3 * kPage), 1);
  CHECK_EQ(byte, 'x');
  close(file);
  CHECK_OK(syscall(SYS_umount2, "/tmp/few", 0));
}

TEST(many_files_in_one_directory) {
  CHECK_OK(mkdir("/tmp/many", 0755));
  CHECK_OK(chdir("/tmp/many"));
  char name[64];
  for (int i = 0; i < 5000; i++) {
    snprintf(name, sizeof name, i % 2 ? "%d" : "%d-and-a-name-that-is-not-quite-short", i);
    close(CHECK_OK(open(name, O_CREAT | O_WRONLY, 0600)));
  }
  for (int i = 0; i < 5000; i++) {
    snprintf(name, sizeof name, i % 2 ? "%d" : "%d-and-a-name-that-is-not-quite-short", i);
    CHECK_OK(unlink(name));
  }
  CHECK_OK(chdir("/"));
  CHECK_OK(rmdir("/tmp/many"));
}

TEST(long_read_lets_others_run) {
  constexpr size_t kPart = 8 << 20, kParts = 64;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  CHECK_OK(sched_setaffinity(0, sizeof one, &one));   // both on one CPU
  const int file = CHECK_OK(static_cast<int>(syscall(SYS_memfd_create, "long", 0)));
  CHECK_OK(ftruncate(file, kPart * kParts));
  static iovec parts[kParts];
  void* memory = mmap(nullptr, kPart, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
  CHECK(memory != MAP_FAILED);
  for (iovec& part : parts) part = {memory, kPart};
  auto& state = shared<int>();   // 1: is reading; 2: has read
  const pid_t reader = start_child([&] {
    state = 1;
    CHECK_EQ(preadv(file, parts, kParts, 0), static_cast<ssize_t>(kPart * kParts));
    state = 2;
  });
  int turns = 0;
  while (__atomic_load_n(&state, __ATOMIC_ACQUIRE) != 2) {
    sched_yield();
    turns += state == 1;
    sleep_ms(1);
  }
  CHECK_EQ(wait_for(reader), 0);
  CHECK(turns > 3);
}
