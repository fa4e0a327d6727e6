// SPDX-License-Identifier: BSD-2-Clause
// Random numbers for everybody: ids, address-space layout, AT_RANDOM, /dev/urandom. Declared here; mem/random.cpp keeps
// a generator per CPU. Any context, at any time of the boot; never fails and never sleeps.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace tine {

void random_bytes(std::span<std::byte> into);
uint64_t random_u64();
uint64_t random_below(uint64_t bound);                    // uniform in [0, bound); bound is not 0
void add_entropy(std::span<const std::byte> bytes);       // stirs in what a program wrote to /dev/random

}  // namespace tine
