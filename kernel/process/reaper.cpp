// SPDX-License-Identifier: BSD-2-Clause
#include "process/reaper.h"

namespace tine::process {

Process& nearest_reaper(Process& process) {
  for (Process* each = &process; each != nullptr; each = each->parent.get())
    if (each->has(kSubreaper)) return *each;
  return init_process();
}

bool descends_from(const Process& process, const Process& ancestor) {
  for (const Process* each = process.parent.get(); each != nullptr; each = each->parent.get())
    if (each == &ancestor) return true;
  return false;
}

const Process& subtree_of(const Process& process, const Process& ancestor) {
  const Process* each = &process;
  while (each->parent != &ancestor) each = each->parent.get();
  return *each;
}

}  // namespace tine::process
