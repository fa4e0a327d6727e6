// SPDX-License-Identifier: BSD-2-Clause
// guest-test: tine-only
// (On Linux each child has a copy of all regions, and 1 GiB is too small for that.)
// Calls that look for the mappings of an object, beside address spaces with many regions that have nothing of it.
#include <sys/ipc.h>
#include <sys/shm.h>

#include "attack.h"

namespace {

constexpr int kRegions = 20'000, kChildren = 150;
constexpr size_t kPage = 4096;

char* map_many_regions() {
  char* memory = static_cast<char*>(
      mmap(nullptr, kRegions * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0));
  CHECK(memory != MAP_FAILED);
  for (int i = 0; i < kRegions; i += 2) CHECK_OK(mprotect(memory + i * kPage, kPage, PROT_READ));
  return memory;
}

// Children with the same map, and some with a map that differs in a region.
class Sharers {
 public:
  explicit Sharers(int count) : count_(count) {
    for (int i = 0; i < count; i++) {
      children_[i] = CHECK_OK(fork());
      if (children_[i] != 0) continue;
      if (i % 8 == 0) mmap(nullptr, kPage, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      for (;;) pause();
    }
  }
  ~Sharers() {
    for (int i = 0; i < count_; i++) {
      CHECK_OK(kill(children_[i], SIGKILL));
      CHECK_EQ(wait_for(children_[i]), 128 + SIGKILL);
    }
  }

 private:
  const int count_;
  pid_t children_[kChildren];
};

void truncate_what_is_mapped() {
  const int file = CHECK_OK(memfd_create("victim", 0));
  for (int i = 0; i < 200; i++) {
    CHECK_OK(ftruncate(file, 4 * kPage));
    char* memory = static_cast<char*>(mmap(nullptr, 4 * kPage, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0));
    CHECK(memory != MAP_FAILED);
    memory[3 * kPage] = 1;
    CHECK_OK(ftruncate(file, 0));
    CHECK_OK(munmap(memory, 4 * kPage));
  }
}

}  // namespace

TEST(ftruncate_beside_many_regions) {
  withstand([] {
    map_many_regions();
    const Sharers sharers(kChildren);
    truncate_what_is_mapped();
  });
}

TEST(shmctl_beside_many_regions) {
  withstand([] {
    map_many_regions();
    const Sharers sharers(kChildren);
    const int segment = CHECK_OK(shmget(IPC_PRIVATE, kPage, 0600));
    shmid_ds status;
    for (int i = 0; i < 200; i++) CHECK_OK(shmctl(segment, IPC_STAT, &status));
    CHECK_OK(shmctl(segment, IPC_RMID, nullptr));
  });
}

TEST(changes_of_all_regions) {
  withstand([] {
    for (int i = 0; i < 3; i++) {
      char* memory = map_many_regions();
      CHECK_OK(madvise(memory, kRegions * kPage, MADV_DONTDUMP));
      CHECK_OK(munmap(memory, kRegions * kPage));
    }
    map_many_regions();
    const pid_t child = fork();
    if (child == 0) _exit(0);
    CHECK_EQ(waitpid(child, nullptr, 0), child);
  });
}

TEST(regions_of_the_object_itself) {
  withstand([] {
    constexpr int kParts = 5'000;
    const int file = CHECK_OK(memfd_create("parts", 0));
    CHECK_OK(ftruncate(file, kParts * kPage));
    for (int i = 0; i < kParts; i++)   // every other page, so that no two become one region
      CHECK(mmap(nullptr, kPage, PROT_READ, MAP_SHARED, file, (i * 2 % kParts) * kPage) != MAP_FAILED);
    const Sharers sharers(20);
    CHECK_OK(ftruncate(file, 0));
  });
}
