// SPDX-License-Identifier: BSD-2-Clause
#include "process/out_of_memory.h"

#include <algorithm>

#include "base/log.h"
#include "machine/cpu.h"
#include "mem/frame.h"
#include "process/exit.h"
#include "process/process.h"
#include "sched/wait_queue.h"
#include "sync/mutex.h"

namespace tine::process {

namespace {

constinit sync::Mutex choosing{"out of memory"};   // one at a time: who comes second sees that somebody is ending

constexpr uint64_t kShortage = 256, kShortagePerCpu = 128;   // frames: what caches of other CPUs may hold
constexpr Nanoseconds kNap = 2 * kMillisecond;
constexpr unsigned kPatience = 500;                          // naps, for one that was killed to be gone

bool memory_is_short() { return mem::count_frames().free < kShortage + kShortagePerCpu * machine::cpu_count(); }

// Pages that a user holds: those of its processes, and what the kernel keeps for them (pipes, messages, sockets, stacks,
// ...). Not what outlives processes, as files of tmpfs: to kill would not give it back.
uint64_t pages_kept(const identity::UserRecord& user) { return user.bytes_kept_for_processes() / mem::kPageSize; }

// What is kept for a user is shared out among its processes by their descriptors, for most of it hangs on these.
uint64_t gain_from(const Process& process, const identity::UserRecord& user) {
  const uint64_t files = std::max<uint64_t>(user.held(identity::Kept::OpenFiles), 1);
  const Process::Holdings holds = process.holdings();
  return holds.pages + pages_kept(user) * std::min<uint64_t>(holds.descriptors, files) / files;
}

// Root counts half: of two who are alike, as a fork bomb's user and root with the shell that shall end it, the other one's
// process goes.
uint64_t weight_of(const identity::UserRecord& user, uint64_t pages) { return user.uid == 0 ? pages / 2 : pages; }

bool can_be_killed(const Process& process) {
  return process.life.load() == LifeState::Alive && process.pid() > 1 && !process.has(kSystem);
}

// The user who holds most, of those whose processes can be killed. The sums are in the users' records, which `choosing`
// guards; each look at the processes has a number, so that nobody has to set the sums to zero.
Ref<identity::UserRecord> find_largest_user() REQUIRES(tree_lock, choosing) {
  static constinit uint64_t looks = 0;
  ++looks;
  Ref<identity::UserRecord> largest;
  uint64_t most = 0;
  for (Process& process : all_processes()) {
    if (!can_be_killed(process) || process.has(kExiting)) continue;
    const Ref<identity::UserRecord> user = process.credentials()->user;
    identity::UserRecord::Weighing& sum = user->weighing;
    if (sum.look != looks) sum = {.look = looks, .pages = pages_kept(*user)};
    sum.pages += process.holdings().pages;
    if (const uint64_t weight = weight_of(*user, sum.pages); weight > most) {
      most = weight;
      largest = user;
    }
  }
  return largest;
}

struct Candidates {
  Ref<Process> largest;   // of those that live and are not about to end; null: none
  bool any_ending = false;
};

// The largest process of the largest user: nobody else loses a process because somebody fills memory. The newest of equals:
// what it has done so far is least.
Candidates look_around() REQUIRES(choosing) {
  Candidates found;
  uint64_t most = 0;
  sync::SpinGuard guard(tree_lock);
  const Ref<identity::UserRecord> user = find_largest_user();
  for (Process& process : all_processes()) {
    if (!can_be_killed(process)) continue;
    if (process.has(kExiting)) {   // until it is a zombie it may be giving back
      found.any_ending = true;
    } else if (process.credentials()->user == user) {
      if (const uint64_t gain = gain_from(process, *user); gain > most) {
        most = gain;
        found.largest = &process;
      }
    }
  }
  return found;
}

void nap() {
  sched::WaitQueue nobody_wakes{"memory"};
  (void)sched::wait_until(nobody_wakes, {"memory", sched::Sleep::Uninterruptible, machine::now() + kNap}, [] { return false; });
}

void kill(Process& victim) {
  log(LogLevel::Warning, "out of memory: process %d (%s) of user %u is killed\n", victim.pid(), victim.name,
      victim.credentials()->ruid);
  begin_exit(victim, signal_status(kSigKill, /*core=*/false));
}

}  // namespace

bool make_room(Thread& caller) {
  if (!memory_is_short()) return false;
  for (unsigned naps = 0; naps < kPatience && memory_is_short(); naps++) {
    if (caller.exiting) return false;
    if (naps % (kPatience / 4) == 0) {   // one that does not end after a while cannot: the next one
      sync::MutexGuard guard(choosing);
      const Candidates found = look_around();
      if (found.largest && (!found.any_ending || naps != 0)) kill(*found.largest);
    }
    nap();
  }
  return !caller.exiting;
}

bool wait_for_room(Thread& caller) {
  if (!make_room(caller)) nap();
  return !caller.exiting;
}

}  // namespace tine::process
