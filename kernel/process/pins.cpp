// SPDX-License-Identifier: BSD-2-Clause
#include "process/pins.h"

#include <algorithm>

namespace tine::process {

Result<Ref<PinTable>> PinTable::of_program(std::span<const PinRecord> records, uintptr_t base, size_t size) {
  size_t count = 0;
  for (const PinRecord& record : records) {
    if (record.number >= kMostPins || record.offset == kNowhere || record.offset >= size) return Error(Errno::NoExec);
    count = std::max<size_t>(count, record.number + 1);
  }
  auto offsets = TRY(mem::Buffer<uint32_t>::make_zeroed(count));
  for (const PinRecord& record : records) {
    uint32_t& offset = offsets[record.number];
    offset = offset == kNowhere ? record.offset : kAnywhere;
  }
  return mem::make_ref<PinTable>(base, size, std::move(offsets));
}

}  // namespace tine::process
