// SPDX-License-Identifier: BSD-2-Clause
// The rules of setuid(2) and its family, setgroups(2), capset(2) and of set-id programs. Each function gives a changed
// clone to install, or Perm / Inval / NoMem. An id of kKeepId stays as it is.
// Source: credentials(7), capabilities(7), "Effect of user ID changes on capabilities".
#pragma once

#include <optional>
#include <span>

#include "identity/credentials.h"

namespace tine::identity {

inline constexpr uint32_t kKeepId = ~uint32_t{0};

// Bits of Credentials::secure_bits.
inline constexpr uint32_t kSecureNoRoot = 1, kSecureNoSetuidFixup = 4, kSecureKeepCaps = 16;

Result<Ref<Credentials>> set_uid(const Credentials& from, Uid uid);
Result<Ref<Credentials>> set_reuid(const Credentials& from, Uid ruid, Uid euid);
Result<Ref<Credentials>> set_resuid(const Credentials& from, Uid ruid, Uid euid, Uid suid);
Result<Ref<Credentials>> set_fsuid(const Credentials& from, Uid uid);      // Perm where Linux silently does nothing
Result<Ref<Credentials>> set_gid(const Credentials& from, Gid gid);
Result<Ref<Credentials>> set_regid(const Credentials& from, Gid rgid, Gid egid);
Result<Ref<Credentials>> set_resgid(const Credentials& from, Gid rgid, Gid egid, Gid sgid);
Result<Ref<Credentials>> set_fsgid(const Credentials& from, Gid gid);
Result<Ref<Credentials>> set_groups(const Credentials& from, std::span<const Gid> groups);
Result<Ref<Credentials>> set_capabilities(const Credentials& from, CapabilitySet effective, CapabilitySet permitted,
                                          CapabilitySet inheritable);

// execve(2): `set_uid` and `set_gid` are the owner of a set-id program when that is to be honoured.
struct SetIdProgram {
  std::optional<Uid> uid;
  std::optional<Gid> gid;
};
// Without `may_gain` (PR_SET_NO_NEW_PRIVS) there are no capabilities but those that were permitted before.
Result<Ref<Credentials>> credentials_for_exec(const Credentials& from, SetIdProgram program, bool may_gain);

// What access(2) judges by: the real ids, with the capabilities that root's real id has.
Result<Ref<Credentials>> with_real_ids(const Credentials& from);

}  // namespace tine::identity
