// SPDX-License-Identifier: BSD-2-Clause
// The trace points that -t of ktrace and kdump names by letters. Source: ktrace(1) of OpenBSD.
#pragma once

#include <sys/ktrace.h>

namespace ktrace_points {

inline constexpr unsigned kAll = KTRFAC_SYSCALL | KTRFAC_SYSRET | KTRFAC_NAMEI | KTRFAC_GENIO | KTRFAC_PSIG | KTRFAC_STRUCT |
                                KTRFAC_USER | KTRFAC_EXECARGS;

// What the letters of -t stand for, `all` for "+"; 0: nonsense.
inline unsigned parse(const char* letters, unsigned all) {
  unsigned points = 0;
  for (; *letters != '\0'; letters++) {
    switch (*letters) {
      case 'c': points |= KTRFAC_SYSCALL | KTRFAC_SYSRET; break;
      case 'e':
      case 'x': points |= KTRFAC_EXECARGS; break;
      case 'i': points |= KTRFAC_GENIO; break;
      case 'n': points |= KTRFAC_NAMEI; break;
      case 's': points |= KTRFAC_PSIG; break;
      case 't': points |= KTRFAC_STRUCT; break;
      case 'u': points |= KTRFAC_USER; break;
      case '+': points |= all; break;
      default: return 0;
    }
  }
  return points;
}

}  // namespace ktrace_points
