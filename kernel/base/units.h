// SPDX-License-Identifier: BSD-2-Clause
// Sizes, times and rounding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace tine {

constexpr uint64_t operator""_KiB(unsigned long long n) { return n << 10; }
constexpr uint64_t operator""_MiB(unsigned long long n) { return n << 20; }
constexpr uint64_t operator""_GiB(unsigned long long n) { return n << 30; }

using Nanoseconds = uint64_t;  // a duration, or a time since boot on the uptime clock
inline constexpr Nanoseconds kMicrosecond = 1000;
inline constexpr Nanoseconds kMillisecond = 1000 * kMicrosecond;
inline constexpr Nanoseconds kSecond = 1000 * kMillisecond;
inline constexpr Nanoseconds kForever = ~Nanoseconds{0};

// `alignment` is a power of two.
constexpr uint64_t round_down(uint64_t value, uint64_t alignment) { return value & ~(alignment - 1); }
constexpr uint64_t round_up(uint64_t value, uint64_t alignment) { return round_down(value + alignment - 1, alignment); }
constexpr bool is_aligned(uint64_t value, uint64_t alignment) { return (value & (alignment - 1)) == 0; }

}  // namespace tine
