// SPDX-License-Identifier: BSD-2-Clause
// Readiness of files. Source: poll(2); the bit values are Linux's.
#pragma once

#include <cstdint>

#include "sched/wait_queue.h"

namespace tine::file {

using PollEvents = uint32_t;
inline constexpr PollEvents kPollIn = 0x001, kPollPri = 0x002, kPollOut = 0x004, kPollErr = 0x008, kPollHup = 0x010,
                            kPollNval = 0x020, kPollRdNorm = 0x040, kPollRdBand = 0x080, kPollWrNorm = 0x100,
                            kPollWrBand = 0x200, kPollRdHup = 0x2000;

// Somebody who wants to hear when readiness may have changed. A file's poll() shows it each queue that it wakes then.
class Poller {
 public:
  virtual void watch(sched::WaitQueue& queue) = 0;

 protected:
  ~Poller() = default;
};

}  // namespace tine::file
