// SPDX-License-Identifier: BSD-2-Clause
// Pinned system calls: from which address each may be made. A program has a table in its file (PT_OPENBSD_SYSCALLS), the
// C library gives its own by pinsyscalls(2). Immutable; forks share it. Source: pinsyscalls(2) of OpenBSD. Seed row C10.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/ref.h"
#include "base/result.h"
#include "mem/buffer.h"
#include "mem/object_cache.h"
#include "process/elf.h"

namespace tine::process {

class PinTable : public RefCounted<PinTable>, public mem::FromCache<PinTable> {
 public:
  // What a number's slot says if it is not an offset.
  static constexpr uint32_t kNowhere = 0;           // the call is never made
  static constexpr uint32_t kAnywhere = ~0u;        // made from more than one place of the text
  static constexpr size_t kMostPins = 8192;         // more than there are numbers

  // [base, base + size) is the text; offsets[n] says where in it the call n is made.
  PinTable(uintptr_t base, size_t size, mem::Buffer<uint32_t> offsets)
      : base_(base), size_(size), offsets_(std::move(offsets)) {}

  // From a program's file. NoExec when an offset is not in it or a number cannot be; NoMem.
  static Result<Ref<PinTable>> of_program(std::span<const PinRecord> records, uintptr_t base, size_t size);

  // Range when an offset is not in the text.
  static Result<> check(std::span<const uint32_t> offsets, size_t size) {
    for (const uint32_t offset : offsets)
      if (offset != kAnywhere && offset >= size) return Error(Errno::Range);
    return {};
  }

  bool covers(uintptr_t address) const { return address - base_ < size_; }
  bool allows(uint64_t number, uintptr_t address) const {
    if (!covers(address) || number >= offsets_.size()) return false;
    const uint32_t offset = offsets_[number];
    return offset == kAnywhere || (offset != kNowhere && address - base_ == offset);
  }

 private:
  const uintptr_t base_;
  const size_t size_;
  const mem::Buffer<uint32_t> offsets_;
};

}  // namespace tine::process
