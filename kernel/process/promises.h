// SPDX-License-Identifier: BSD-2-Clause
// Promises: what a process says, by pledge(2), that it will do and nothing else. A set of bits, and its text. Pure
// functions; they compile on the host. Source: pledge(2) of OpenBSD. Seed row C8.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "base/result.h"

namespace tine::process {

using Promises = uint64_t;

namespace promise {
inline constexpr Promises kStdio = 1u << 0, kRpath = 1u << 1, kWpath = 1u << 2, kCpath = 1u << 3, kDpath = 1u << 4,
                          kTmppath = 1u << 5, kInet = 1u << 6, kMcast = 1u << 7, kFattr = 1u << 8, kChown = 1u << 9,
                          kChownAny = 1u << 10,   // chown to others, which "fattr" does not give
                          kFlock = 1u << 11, kUnix = 1u << 12, kDns = 1u << 13, kGetpw = 1u << 14, kSendfd = 1u << 15,
                          kRecvfd = 1u << 16, kTape = 1u << 17, kTty = 1u << 18, kProc = 1u << 19, kExec = 1u << 20,
                          kProtExec = 1u << 21, kSettime = 1u << 22, kPs = 1u << 23, kVminfo = 1u << 24, kId = 1u << 25,
                          kPf = 1u << 26, kRoute = 1u << 27, kWroute = 1u << 28, kAudio = 1u << 29, kVideo = 1u << 30,
                          kBpf = Promises{1} << 31, kUnveil = Promises{1} << 32, kError = Promises{1} << 33,
                          kDisklabel = Promises{1} << 34, kDrm = Promises{1} << 35, kVmm = Promises{1} << 36;
// What no promise allows. No process ever holds it.
inline constexpr Promises kNever = Promises{1} << 63;
}  // namespace promise

// Words with spaces between them. Inval for an unknown word.
Result<Promises> parse_promises(std::string_view text);

// The word of the first promise in the set; "" for none.
std::string_view promise_name(Promises promises);

// All words of the set with spaces between them, cut off where `into` ends.
std::string_view promises_text(Promises promises, std::span<char> into);

}  // namespace tine::process
