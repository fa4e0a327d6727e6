// SPDX-License-Identifier: BSD-2-Clause
// The audit of processes: counters against lists, links in both directions, life states. Seed rows L4, L5, H4, K1, K3, A1.
#include "process/audit.h"

#include <algorithm>
#include <array>

#include "base/audit.h"
#include "process/process.h"

namespace tine::process {

namespace {

using identity::Kept;

// What is counted twice: in the tables, and here by going through the lists.
struct Counts {
  unsigned processes = 0, threads = 0;
};

// Ordinary users' processes by user; there are few users.
class UserCounts {
 public:
  void add(Ref<identity::UserRecord> user, unsigned threads) {
    auto at = std::ranges::find(users_.begin(), users_.begin() + size_, user, &Entry::user);
    if (at == users_.end()) return;
    if (at == users_.begin() + size_) users_[size_++].user = std::move(user);
    ++at->processes;
    at->threads += std::max(threads, 1u);   // a zombie counts as one
  }
  bool match() const { return std::all_of(users_.begin(), users_.begin() + size_, matches); }
  void tell(AuditReport& report) const {
    for (const Entry& entry : std::span(users_).first(size_)) {
      if (matches(entry)) continue;
      report.problem("user %u is counted %u processes with %u threads and has %u with %u", entry.user->uid,
                     static_cast<unsigned>(entry.user->held(Kept::Processes)),
                     static_cast<unsigned>(entry.user->held(Kept::Threads)), entry.processes, entry.threads);
    }
  }

 private:
  struct Entry {
    Ref<identity::UserRecord> user;
    unsigned processes = 0, threads = 0;
  };
  static bool matches(const Entry& entry) {
    return entry.user->held(Kept::Processes) == entry.processes && entry.user->held(Kept::Threads) == entry.threads;
  }
  std::array<Entry, 32> users_;
  size_t size_ = 0;
};

struct Census {
  Counts counts;
  UserCounts users;
  unsigned wrong_links = 0;

  // Process 0 is on no list.
  bool agrees() const {
    return counts.processes + 1 == process_slots().used() && counts.threads + 1 == thread_slots().used() && users.match() &&
           wrong_links == 0;
  }
};

unsigned wrong_children(const ProcessList<SiblingTag>& list, const Process& parent, LifeState life) REQUIRES(tree_lock) {
  return static_cast<unsigned>(std::ranges::count_if(
      list, [&](const Process& child) { return child.parent != &parent || child.life.load() != life; }));
}

void take(Census& census) {
  sync::SpinGuard guard(tree_lock);
  for (const Process& process : all_processes()) {
    ++census.counts.processes;
    census.users.add(process.credentials()->user, process.thread_count.load());
    census.wrong_links += wrong_children(process.children, process, LifeState::Alive) +
                          wrong_children(process.zombies, process, LifeState::Zombie);
    census.wrong_links += process.group == nullptr || process.parent == nullptr || find_process(process.pid()) != &process;
    sync::SpinGuard process_guard(process.lock);
    census.counts.threads += process.thread_count.load();
    census.wrong_links += process.threads.size() != process.thread_count.load();
  }
}

}  // namespace

// What ends at this moment is off the lists a little before it is off the counts: only a difference that stays is one.
void audit_processes(AuditReport& report) {
  constexpr int kLooks = 100;
  for (int look = 1;; ++look) {
    Census census;
    take(census);
    if (census.agrees()) return;
    if (look < kLooks) {
      sched::WaitQueue nobody_wakes{"audit"};
      (void)sched::wait_until(nobody_wakes,
                              {"audit", sched::Sleep::Uninterruptible, machine::now() + 5 * kMillisecond}, [] { return false; });
      continue;
    }
    if (census.counts.processes + 1 != process_slots().used())
      report.problem("%u processes are counted, %u are listed", process_slots().used(), census.counts.processes + 1);
    if (census.counts.threads + 1 != thread_slots().used())
      report.problem("%u threads are counted, %u are listed", thread_slots().used(), census.counts.threads + 1);
    if (census.wrong_links != 0) report.problem("%u links between processes, or to their threads, are wrong", census.wrong_links);
    census.users.tell(report);
    return;
  }
}

}  // namespace tine::process
