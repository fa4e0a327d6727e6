// SPDX-License-Identifier: BSD-2-Clause
// One call that moves as many bytes, or tells as many things, as it can.
#include <dirent.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "attack.h"

namespace {

constexpr size_t kMiB = size_t{1} << 20;

char* map(size_t size) {
  char* memory = static_cast<char*>(mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  CHECK(memory != MAP_FAILED);
  return memory;
}

}  // namespace

TEST(process_vm_readv_of_much) {
  withstand([] {
    constexpr int kVectors = 80;
    char* memory = map(128 * kMiB);   // never touched: it reads as zeros
    char* into = map(kMiB);
    iovec here[1024], there[kVectors];
    for (iovec& vector : here) vector = {into, kMiB};
    for (iovec& vector : there) vector = {memory, 128 * kMiB};
    (void)process_vm_readv(getpid(), here, 1024, there, kVectors, 0);
  });
}

TEST(read_of_own_memory) {
  withstand([] {
    char* memory = map(48 * kMiB);
    char* into = map(48 * kMiB);
    const int file = CHECK_OK(open("/proc/self/mem", O_RDONLY));
    CHECK(pread(file, into, 48 * kMiB, static_cast<off_t>(reinterpret_cast<uintptr_t>(memory))) > 0);
  });
}

TEST(maps_of_many_regions) {
  withstand([] {
    constexpr size_t kPage = 4096, kRegions = 30'000;
    char* memory = map(kRegions * kPage);
    for (size_t i = 0; i < kRegions; i += 2) CHECK_OK(mprotect(memory + i * kPage, kPage, PROT_READ));
    char* into = map(8 * kMiB);
    const int file = CHECK_OK(open("/proc/self/maps", O_RDONLY));
    CHECK(read(file, into, 8 * kMiB) > 0);
  });
}

TEST(getdents_of_a_large_folder) {
  withstand([] {
    char folder[64];
    snprintf(folder, sizeof folder, "/tmp/large-%d", getpid());
    CHECK_OK(mkdir(folder, 0700));
    CHECK_OK(chdir(folder));
    for (int i = 0; i < 8'000; i++) {
      char name[16];
      snprintf(name, sizeof name, "%d", i);
      CHECK_OK(mknod(name, S_IFREG | 0600, 0));
    }
    char* into = map(16 * kMiB);
    const int file = CHECK_OK(open(".", O_RDONLY | O_DIRECTORY));
    CHECK(syscall(SYS_getdents64, file, into, 16 * kMiB) > 0);
  });
}

TEST(writes_and_reads_of_much) {
  withstand([] {
    char* memory = map(64 * kMiB);
    const int file = CHECK_OK(memfd_create("much", 0));
    iovec vectors[64];
    for (iovec& vector : vectors) vector = {memory, kMiB};
    CHECK(writev(file, vectors, 64) > 0);
    CHECK(pread(file, memory, 64 * kMiB, 0) > 0);
    CHECK(getrandom(memory, 64 * kMiB, 0) > 0);
  });
}

TEST(the_end_of_much_memory) {
  withstand([] {
    char* memory = map(128 * kMiB);
    for (size_t at = 0; at < 128 * kMiB; at += 4096) memory[at] = 1;
    CHECK_OK(mprotect(memory, 128 * kMiB, PROT_READ));
    const pid_t child = fork();
    if (child == 0) _exit(0);
    CHECK_EQ(waitpid(child, nullptr, 0), child);
    CHECK_OK(madvise(memory, 64 * kMiB, MADV_DONTNEED));
    unsigned char there[4096];
    CHECK_OK(mincore(memory, 4096 * 4096, there));
    CHECK_OK(munmap(memory, 128 * kMiB));
  });
}
