// SPDX-License-Identifier: BSD-2-Clause
// What owner, group and mode bits allow whom. Source: path_resolution(7), inode(7), capabilities(7).
#pragma once

#include <cstdint>

#include "identity/credentials.h"

namespace tine::identity {

// The three permission bits, as in a mode's lowest digit.
using AccessMask = uint32_t;
inline constexpr AccessMask kMayExecute = 1, kMayWrite = 2, kMayRead = 4;

struct Ownership {
  Uid uid;
  Gid gid;
  uint32_t mode;         // permission bits
  bool is_directory;
};

// Acts with the file-system ids. Capabilities: DAC_OVERRIDE passes all but the execution of a file that nobody may
// execute; DAC_READ_SEARCH passes reading, and searching of directories.
bool may_access(const Credentials& who, const Ownership& of, AccessMask wanted);

// May change what only an owner may: mode, times, names in a sticky directory.
inline bool owns(const Credentials& who, Uid owner) { return who.fsuid == owner || who.capable(Capability::Fowner); }

}  // namespace tine::identity
