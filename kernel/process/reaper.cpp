// SPDX-License-Identifier: BSD-2-Clause
#include "process/reaper.h"

namespace tine::process {

namespace {
uint64_t last_reaper_number GUARDED_BY(tree_lock) = 0;
}

bool is_reaper(const Process& process) { return process.reaper_number != 0; }

bool set_reaper(Process& process, bool value) {
  sync::SpinGuard guard(tree_lock);
  if (is_reaper(process) == value) return false;
  process.reaper_number = value ? ++last_reaper_number : 0;
  return true;
}

Process& nearest_reaper(Process& process) {
  for (Process* each = &process; each != nullptr; each = each->parent.get())
    if (is_reaper(*each)) return *each;
  return init_process();
}

bool belongs_to(const Process& process, const Process& reaper) {
  for (const Process* each = process.parent.get(); each != nullptr; each = each->parent.get()) {
    if (each == &reaper) return true;
    if (is_reaper(*each)) return false;
  }
  return false;
}

bool descends_from(const Process& process, const Process& ancestor) {
  for (const Process* each = process.parent.get(); each != nullptr; each = each->parent.get())
    if (each == &ancestor) return true;
  return false;
}

PidNumber branch_of(const Process& process, const Process& reaper) {
  for (const Process* each = &process;; each = each->parent.get()) {
    if (is_reaper(reaper) && each->branch.reaper == reaper.reaper_number) return each->branch.child;
    if (each->parent == &reaper || each->parent == nullptr) return each->pid();
  }
}

void join_branch(const Process& creator, Process& child) {
  if (is_reaper(creator) && child.parent == &creator)
    child.branch = {creator.reaper_number, child.pid()};
  else
    child.branch = creator.branch;
}

void keep_branch(Process& child, const Process& former, const Process& reaper) {
  if (is_reaper(reaper) && child.branch.reaper != reaper.reaper_number)
    child.branch = {reaper.reaper_number, branch_of(former, reaper)};
}

}  // namespace tine::process
