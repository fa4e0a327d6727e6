// SPDX-License-Identifier: BSD-2-Clause
// Programs that use many parts of the address space, far apart, with threads on several CPUs: what one thread maps, unmaps or
// shares by a fork, the others see at once. On Tine a CPU copies the first few GiB into tables of its own; more of them, or
// more ranges of 512 GiB, have a table of the process (machine/user_top.h).
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>

#include "check.h"

namespace {
constexpr size_t kPage = 4096;
constexpr unsigned kParts = 12;
constexpr unsigned kWorkers = 3;

using Word = uint64_t;
Word load(const Word& word) { return __atomic_load_n(&word, __ATOMIC_SEQ_CST); }
void store(Word& word, Word value) { __atomic_store_n(&word, value, __ATOMIC_SEQ_CST); }

constexpr unsigned kByGib = 30, kByRange = 39;  // logarithms of the distance
unsigned distance;

// A word for each worker, in the page of a part; one that nothing else is in.
Word* part(unsigned i) { return reinterpret_cast<Word*>((uint64_t{i} * 9 + 5) << distance | 0x7000); }

void map_part(unsigned i) {
  void* const at = mmap(part(i), kPage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  CHECK_EQ(at, static_cast<void*>(part(i)));
}

struct Worker {
  pthread_t thread;
  unsigned number;
  Word rounds;  // finished
};
Word parts;  // mapped so far
Worker workers[kWorkers];

void start(Worker& worker, void* (*body)(void*)) { CHECK_EQ(pthread_create(&worker.thread, nullptr, body, &worker), 0); }

void* write_to_each_part(void* argument) {
  Worker& self = *static_cast<Worker*>(argument);
  for (Word round = 1; round <= kParts; ++round) {
    while (load(parts) < round) sched_yield();  // there may be one CPU for all
    for (unsigned i = 0; i < round; ++i) store(part(i)[self.number], round);
    store(self.rounds, round);
  }
  return nullptr;
}

bool all_have_finished(Word round) {
  for (const Worker& worker : workers)
    if (load(worker.rounds) < round) return false;
  return true;
}

void write_while_parts_are_added(unsigned apart) {
  distance = apart;
  for (unsigned i = 0; i < kWorkers; ++i) {
    workers[i].number = i;
    start(workers[i], write_to_each_part);
  }
  for (unsigned round = 1; round <= kParts; ++round) {
    const Word before = round > 1 ? load(part(0)[0]) : 0;
    // The child shares what the workers are about to write to.
    Gate finished;
    const pid_t child = start_child([&] {
      finished.wait();
      for (unsigned i = 0; i + 1 < round; ++i) {
        for (unsigned k = 0; k < kWorkers; ++k) CHECK_EQ(load(part(i)[k]), before);
        store(part(i)[kWorkers], 1);
      }
    });
    map_part(round - 1);
    store(parts, round);
    CHECK(eventually([&] { return all_have_finished(round); }));
    finished.open();
    CHECK_EQ(wait_for(child), 0);
    for (unsigned i = 0; i < round; ++i) {
      for (unsigned k = 0; k < kWorkers; ++k) CHECK_EQ(load(part(i)[k]), round);
      CHECK_EQ(load(part(i)[kWorkers]), 0);
    }
  }
  for (const Worker& worker : workers) CHECK_EQ(pthread_join(worker.thread, nullptr), 0);
}

void fork_while_a_thread_writes(unsigned apart) {
  distance = apart;
  static Word stop;
  for (unsigned i = 0; i < kParts; ++i) {
    map_part(i);
    start(workers[0], [](void*) -> void* {
      for (Word count = 1; load(stop) == 0; ++count)
        for (unsigned k = 0; k < load(parts); ++k) store(*part(k), count);
      return nullptr;
    });
    store(parts, i + 1);
    CHECK(eventually([&] { return load(*part(i)) > 2; }));
    const int status = in_child([&] {
      Word seen[kParts];
      for (unsigned k = 0; k <= i; ++k) seen[k] = load(*part(k));
      sleep_ms(5);
      for (unsigned k = 0; k <= i; ++k) CHECK_EQ(load(*part(k)), seen[k]);
    });
    CHECK_EQ(status, 0);
    store(stop, 1);
    CHECK_EQ(pthread_join(workers[0].thread, nullptr), 0);
    store(stop, 0);
    for (unsigned k = 0; k <= i; ++k) store(*part(k), 0);
  }
}

void unmap_while_a_thread_reads(unsigned apart) {
  distance = apart;
  static __thread sigjmp_buf after_fault;
  static Word reads;
  struct sigaction action = {};
  action.sa_handler = [](int) { siglongjmp(after_fault, 1); };
  CHECK_OK(sigaction(SIGSEGV, &action, nullptr));
  for (unsigned i = 0; i < kParts; ++i) map_part(i);
  for (unsigned i = kParts; i-- > 0;) {
    store(reads, 0);
    workers[0].number = i;
    store(*part(i), 7);
    start(workers[0], [](void* argument) -> void* {
      const unsigned number = static_cast<Worker*>(argument)->number;
      if (sigsetjmp(after_fault, 1) != 0) return nullptr;
      while (true) {
        CHECK_EQ(load(*part(number)), 7);
        store(reads, load(reads) + 1);
      }
    });
    CHECK(eventually([] { return load(reads) > 10; }));
    CHECK_OK(munmap(part(i), kPage));
    const Word then = load(reads);
    CHECK_EQ(pthread_join(workers[0].thread, nullptr), 0);
    CHECK(load(reads) <= then + 1);
  }
}
}  // namespace

TEST(threads_write_to_ever_more_parts_and_children_do_not_see_it_by_gib) { write_while_parts_are_added(kByGib); }
TEST(threads_write_to_ever_more_parts_and_children_do_not_see_it_by_range) { write_while_parts_are_added(kByRange); }
TEST(a_fork_stops_other_threads_from_writing_to_what_it_shares_by_gib) { fork_while_a_thread_writes(kByGib); }
TEST(a_fork_stops_other_threads_from_writing_to_what_it_shares_by_range) { fork_while_a_thread_writes(kByRange); }
TEST(memory_that_one_thread_unmaps_is_gone_for_the_others_by_gib) { unmap_while_a_thread_reads(kByGib); }
TEST(memory_that_one_thread_unmaps_is_gone_for_the_others_by_range) { unmap_while_a_thread_reads(kByRange); }
