// SPDX-License-Identifier: BSD-2-Clause
// Removal: a page gather for one address space and one range of addresses. Private to vm/.
#pragma once

#include "vm/address_space.h"

namespace tine::vm {

class AddressSpace::Removal {
 public:
  Removal(AddressSpace& space, uintptr_t start, uintptr_t end)
      : space_(space), start_(start), end_(end), gather_(&flush, this) {}
  operator KernelPageGather&() { return gather_; }
  void finish() { gather_.finish(); }

 private:
  // A removal is made, and ends, under the space's lock.
  static void flush(void* removal) NO_THREAD_SAFETY_ANALYSIS {
    const Removal& self = *static_cast<Removal*>(removal);
    self.space_.flush(self.start_, self.end_);
  }
  AddressSpace& space_;
  const uintptr_t start_;
  const uintptr_t end_;
  KernelPageGather gather_;  // last: its destructor flushes
};

}  // namespace tine::vm
