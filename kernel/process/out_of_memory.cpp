// SPDX-License-Identifier: BSD-2-Clause
#include "process/out_of_memory.h"

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

// Root's processes count half: of two that are alike, as those of a fork bomb and the shell that shall end it, the
// other one goes.
uint64_t gain_from(const Process& process) {
  const bool is_root = process.credentials()->ruid == 0;
  sync::SpinGuard guard(process.lock);
  const vm::AddressSpace* space = process.own_address_space();
  const uint64_t pages = space != nullptr ? space->resident_pages() : 0;
  return is_root ? pages / 2 : pages;
}

struct Candidates {
  Ref<Process> largest;   // of those that live and are not about to end; null: none
  bool any_ending = false;
};

// The newest of equals: what it has done so far is least.
Candidates look_around() {
  Candidates found;
  uint64_t most = 0;
  sync::SpinGuard guard(tree_lock);
  for (Process& process : all_processes()) {
    if (process.life.load() != LifeState::Alive || process.pid() <= 1 || process.has(kSystem)) continue;
    if (process.has(kExiting)) {   // until it is a zombie it may be giving back
      found.any_ending = true;
    } else if (const uint64_t gain = gain_from(process); gain > most) {
      most = gain;
      found.largest = &process;
    }
  }
  return found;
}

void nap() {
  sched::WaitQueue nobody_wakes{"memory"};
  (void)sched::wait_until(nobody_wakes, {"memory", sched::Sleep::Uninterruptible, machine::now() + kNap}, [] { return false; });
}

void kill(Process& victim) {
  log(LogLevel::Warning, "out of memory: process %d (%s) is killed\n", victim.pid(), victim.name);
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
