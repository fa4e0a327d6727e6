// SPDX-License-Identifier: BSD-2-Clause
// Waiting until one of many files is ready: the core of poll(2) and select(2). Source: poll(2), select(2).
#pragma once

#include "base/result.h"
#include "base/units.h"
#include "event/poll_list.h"
#include "file/descriptor_table.h"
#include "file/poll.h"

namespace tine::event {

// Fills in `returned` and returns how many of them are not 0; 0 when `deadline` (uptime; 0: do not wait,
// kForever: none) passes first. Errors: RestartNoHandler when a signal came first; NoMem; Intr when the thread is to end.
Result<unsigned> poll(file::DescriptorTable& descriptors, PollList& requests, Nanoseconds deadline);

}  // namespace tine::event
