// SPDX-License-Identifier: BSD-2-Clause
// The values of sysctl(2) that are structures. Source: sysctl(2), <sys/sysctl.h> of OpenBSD.
#pragma once

#include <string_view>

#include "abi/bsd/sysctl_value.h"

namespace tine::abi::bsd {

using StructReader = Result<> (*)(const OldValue& old);
StructReader find_struct(std::string_view name);   // "kern.forkstat", ...; null: it is no structure

// kern.proc: the processes that `what` means (KERN_PROC_*, argument, size of an element, how many). Inval.
Result<> read_processes(std::span<const int32_t> what, const OldValue& old);
// kern.procargs: `what` is a pid and KERN_PROC_ARGV, NARGV, ENV or NENV. Srch, Inval, Perm, NoMem.
Result<> read_arguments(std::span<const int32_t> what, const OldValue& old);

}  // namespace tine::abi::bsd
