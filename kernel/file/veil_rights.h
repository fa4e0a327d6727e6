// SPDX-License-Identifier: BSD-2-Clause
// The permissions of unveil(2): what something in sight may be used for.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace tine::file {

enum VeilRight : uint8_t { kVeilRead = 1, kVeilWrite = 2, kVeilExecute = 4, kVeilCreate = 8 };
using VeilRights = uint8_t;

// Letters of "rwxc" in any order, each as often as one likes. Inval for another.
constexpr Result<VeilRights> parse_veil_rights(std::string_view text) {
  VeilRights rights = 0;
  for (const char letter : text) {
    switch (letter) {
      case 'r': rights |= kVeilRead; break;
      case 'w': rights |= kVeilWrite; break;
      case 'x': rights |= kVeilExecute; break;
      case 'c': rights |= kVeilCreate; break;
      default: return Error(Errno::Inval);
    }
  }
  return rights;
}

// What a rule with the rights `given` says to a use that wants `wanted`: NoEnt when it gives none at all, Acces when one
// is lacking.
constexpr Result<> check_veil_rights(VeilRights given, VeilRights wanted) {
  if (given == 0) return Error(Errno::NoEnt);
  return wanted & ~given ? Error(Errno::Acces) : Result<>();
}

}  // namespace tine::file
