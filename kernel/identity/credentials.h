// SPDX-License-Identifier: BSD-2-Clause
// Credentials: who a process acts as. Immutable and reference-counted: a change makes a new one, so that a fork shares
// them by one reference (seed row C2). Source: credentials(7), capabilities(7).
#pragma once

#include <cstdint>
#include <span>

#include "base/ref.h"
#include "base/result.h"
#include "mem/object_cache.h"

namespace tine::identity {

using Uid = uint32_t;
using Gid = uint32_t;
inline constexpr unsigned kMaxGroups = 64;

enum class Capability : uint8_t {
  Chown = 0, DacOverride = 1, DacReadSearch = 2, Fowner = 3, Fsetid = 4, Kill = 5, Setgid = 6, Setuid = 7, Setpcap = 8,
  NetBindService = 10, NetAdmin = 12, IpcLock = 14, IpcOwner = 15, SysModule = 16, SysRawio = 17, SysChroot = 18, SysPtrace = 19,
  SysPacct = 20, SysAdmin = 21, SysBoot = 22, SysNice = 23, SysResource = 24, SysTime = 25, SysTtyConfig = 26, Mknod = 27,
  Setfcap = 31, Syslog = 34, CheckpointRestore = 40,
};
using CapabilitySet = uint64_t;
inline constexpr CapabilitySet kAllCapabilities = (uint64_t{1} << 41) - 1;

class UserRecord;   // identity/user_record.h: what is counted by real user id

class Credentials : public RefCounted<Credentials>, public mem::FromCache<Credentials> {
 public:
  Uid ruid = 0, euid = 0, suid = 0, fsuid = 0;
  Gid rgid = 0, egid = 0, sgid = 0, fsgid = 0;
  CapabilitySet permitted = kAllCapabilities, effective = kAllCapabilities, inheritable = 0, bounding = kAllCapabilities,
                ambient = 0;
  uint32_t secure_bits = 0;
  uint32_t group_count = 0;
  Gid groups[kMaxGroups] = {};
  Ref<UserRecord> user;     // of ruid

  Credentials();
  ~Credentials();
  Result<Ref<Credentials>> clone() const;    // to change and then install
  bool capable(Capability capability) const { return effective >> static_cast<unsigned>(capability) & 1; }
  bool in_group(Gid gid) const;              // fsgid or a supplementary group
};

using CredentialsRef = Ref<const Credentials>;

}  // namespace tine::identity
