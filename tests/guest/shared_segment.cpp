// SPDX-License-Identifier: BSD-2-Clause
// System V shared memory: finding segments, attaching and detaching them, forks, permissions, the end of a segment.
#include <sched.h>
#include <sys/ipc.h>
#include <sys/shm.h>

#include "check.h"

namespace {

constexpr key_t kKey = 0x54696e65;

shmid_ds status_of(int id) {
  shmid_ds status;
  CHECK_OK(shmctl(id, IPC_STAT, &status));
  return status;
}
// shmat(2), with -1 for an error as other calls have it.
intptr_t place_of(int id, const void* where, int flags) { return reinterpret_cast<intptr_t>(shmat(id, where, flags)); }
volatile char* attach(int id) { return reinterpret_cast<volatile char*>(CHECK_OK(place_of(id, nullptr, 0))); }
void remove(int id) { CHECK_OK(shmctl(id, IPC_RMID, nullptr)); }

}  // namespace

TEST(a_segment_is_found_by_its_key) {
  CHECK_ERRNO(shmget(kKey, 4096, 0600), ENOENT);
  const int id = CHECK_OK(shmget(kKey, 5000, IPC_CREAT | 0600));
  CHECK_EQ(shmget(kKey, 0, 0), id);
  CHECK_EQ(shmget(kKey, 5000, IPC_CREAT | 0600), id);
  CHECK_ERRNO(shmget(kKey, 5000, IPC_CREAT | IPC_EXCL | 0600), EEXIST);
  CHECK_ERRNO(shmget(kKey, 5001, 0600), EINVAL);
  const shmid_ds status = status_of(id);
  CHECK_EQ(status.shm_segsz, 5000u);
  CHECK_EQ(status.shm_cpid, getpid());
  CHECK_EQ(status.shm_perm.mode & 0777, 0600);
  CHECK_EQ(status.shm_nattch, 0u);
  remove(id);
  CHECK_ERRNO(shmget(kKey, 0, 0), ENOENT);
  CHECK_ERRNO(shmctl(id, IPC_RMID, nullptr), EINVAL);
  CHECK_ERRNO(shmget(IPC_PRIVATE, 0, 0600), EINVAL);
}

TEST(attachments_share_memory_and_forks_inherit_them) {
  const int id = CHECK_OK(shmget(IPC_PRIVATE, 3 * 4096, 0600));
  volatile char* const here = attach(id);
  volatile char* const again = attach(id);
  CHECK(here != again);
  here[4096] = 5;
  CHECK_EQ(again[4096], 5);
  CHECK_EQ(status_of(id).shm_nattch, 2u);
  CHECK_EQ(in_child([&] {
    CHECK_EQ(here[4096], 5);
    here[4097] = 6;
    CHECK_EQ(status_of(id).shm_nattch, 4u);
    CHECK_OK(shmdt(const_cast<char*>(again)));
    CHECK_EQ(status_of(id).shm_nattch, 3u);
  }), 0);
  CHECK_EQ(again[4097], 6);
  CHECK_EQ(status_of(id).shm_nattch, 2u);
  CHECK_OK(shmdt(const_cast<char*>(here)));
  CHECK_ERRNO(shmdt(const_cast<char*>(here)), EINVAL);
  CHECK_OK(shmdt(const_cast<char*>(again)));
  CHECK_EQ(status_of(id).shm_nattch, 0u);
  remove(id);
}

TEST(a_removed_segment_lives_until_the_last_attachment_is_gone) {
  const int id = CHECK_OK(shmget(kKey, 4096, IPC_CREAT | 0600));
  volatile char* const memory = attach(id);
  memory[0] = 1;
  remove(id);
  CHECK_ERRNO(shmget(kKey, 0, 0), ENOENT);
  CHECK(status_of(id).shm_perm.mode & 01000);   // SHM_DEST
  CHECK_EQ(in_child([&] { CHECK_EQ(memory[0], 1); }), 0);
  CHECK_OK(shmdt(const_cast<char*>(memory)));
  shmid_ds status;
  CHECK_ERRNO(shmctl(id, IPC_STAT, &status), EINVAL);
}

TEST(what_is_left_of_an_attachment_is_detached_as_one) {
  const int id = CHECK_OK(shmget(IPC_PRIVATE, 4 * 4096, 0600));
  volatile char* const memory = attach(id);
  CHECK_OK(munmap(const_cast<char*>(memory) + 4096, 4096));
  CHECK_OK(mprotect(const_cast<char*>(memory) + 2 * 4096, 4096, PROT_READ));
  CHECK_OK(shmdt(const_cast<char*>(memory)));
  CHECK_EQ(status_of(id).shm_nattch, 0u);
  remove(id);
}

TEST(places_and_protections_are_checked) {
  const int id = CHECK_OK(shmget(IPC_PRIVATE, 4096, 0600));
  char* const reader = reinterpret_cast<char*>(CHECK_OK(place_of(id, nullptr, SHM_RDONLY)));
  CHECK_ERRNO(mprotect(reader, 4096, PROT_READ | PROT_WRITE), EACCES);
  CHECK_EQ(in_child([&] { *reinterpret_cast<volatile char*>(reader) = 1; }), 128 + 11);
  CHECK_ERRNO(place_of(id, reader + 1, 0), EINVAL);
  CHECK_ERRNO(place_of(id, reader, 0), EINVAL);            // taken
  CHECK_EQ(place_of(id, reader, SHM_REMAP), reinterpret_cast<intptr_t>(reader));
  reader[0] = 1;
  CHECK_ERRNO(place_of(-1, nullptr, 0), EINVAL);
  CHECK_OK(shmdt(reader));
  remove(id);
}

TEST(other_users_need_permission) {
  const int mine = CHECK_OK(shmget(IPC_PRIVATE, 4096, 0640));
  const int open = CHECK_OK(shmget(IPC_PRIVATE, 4096, 0604));
  CHECK_EQ(in_child([&] {
    CHECK_OK(setgid(1234));
    CHECK_OK(setuid(1234));
    shmid_ds status;
    CHECK_ERRNO(shmctl(mine, IPC_STAT, &status), EACCES);
    CHECK_ERRNO(place_of(mine, nullptr, SHM_RDONLY), EACCES);
    CHECK_OK(place_of(open, nullptr, SHM_RDONLY));
    CHECK_ERRNO(place_of(open, nullptr, 0), EACCES);
    CHECK_ERRNO(shmctl(open, IPC_RMID, nullptr), EPERM);
  }), 0);
  shmid_ds status = status_of(mine);
  status.shm_perm.uid = 1234;
  CHECK_OK(shmctl(mine, IPC_SET, &status));
  CHECK_EQ(in_child([&] {
    CHECK_OK(setuid(1234));
    CHECK_OK(shmctl(mine, IPC_RMID, nullptr));
  }), 0);
  remove(open);
}
