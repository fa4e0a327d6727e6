// SPDX-License-Identifier: BSD-2-Clause
// Waiting until one of many files is ready: the core of poll(2) and select(2). Source: poll(2), select(2).
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "base/units.h"
#include "file/descriptor_table.h"
#include "file/poll.h"

namespace tine::event {

// One descriptor and what is asked about it: Linux's struct pollfd.
struct PollFd {
  int32_t descriptor = -1;  // negative: skipped
  int16_t events = 0;
  int16_t returned = 0;  // also kPollErr, kPollHup and kPollNval, unasked
};
static_assert(sizeof(PollFd) == 8);

// Fills in `returned` and returns how many of them are not 0; 0 when `deadline` (uptime; 0: do not wait,
// kForever: none) passes first. Errors: RestartNoHandler when a signal came first; NoMem.
Result<unsigned> poll(file::DescriptorTable& descriptors, std::span<PollFd> requests, Nanoseconds deadline);

}  // namespace tine::event
