// SPDX-License-Identifier: BSD-2-Clause
// What the system calls itself: uname(2), /proc/version, /proc/sys/kernel. Programs test the first two for Linux, so they
// get what such a program expects. Lock: a spinlock of its own, a leaf.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace tine::view {

inline constexpr std::string_view kSystemName = "Linux";
inline constexpr std::string_view kRelease = "6.1.0-tine";
inline constexpr std::string_view kVersion = "#1 SMP Tine";
inline constexpr std::string_view kMachine = "x86_64";
inline constexpr size_t kHostNameMax = 64;

// The two names that can be set. Copies into `into`; the result views it.
enum class HostName : uint8_t { Node, Domain };
std::string_view host_name(HostName which, std::span<char, kHostNameMax> into);
Result<> set_host_name(HostName which, std::string_view name);   // Inval when longer than kHostNameMax

}  // namespace tine::view
