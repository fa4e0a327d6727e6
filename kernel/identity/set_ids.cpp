// SPDX-License-Identifier: BSD-2-Clause
#include "identity/set_ids.h"

#include <algorithm>

#include "identity/user_record.h"

namespace tine::identity {
namespace {

constexpr CapabilitySet bit(Capability capability) { return CapabilitySet{1} << static_cast<unsigned>(capability); }

// Those that the file-system user id governs.
constexpr CapabilitySet kFileCapabilities = bit(Capability::Chown) | bit(Capability::DacOverride) |
                                            bit(Capability::DacReadSearch) | bit(Capability::Fowner) |
                                            bit(Capability::Fsetid) | bit(Capability::Mknod);

// The ids that an unprivileged caller may choose from.
template <class Id>
bool is_one_of(Id id, std::initializer_list<Id> allowed) {
  return id == kKeepId || std::ranges::find(allowed, id) != allowed.end();
}

bool any_root(const Credentials& c) { return c.ruid == 0 || c.euid == 0 || c.suid == 0; }

void follow_user_ids(const Credentials& from, Credentials& to) {
  if (from.secure_bits & kSecureNoSetuidFixup) return;
  if (any_root(from) && !any_root(to)) {
    if (!(from.secure_bits & kSecureKeepCaps)) to.permitted = to.effective = 0;
    to.ambient = 0;
  }
  if (from.euid == 0 && to.euid != 0) to.effective = 0;
  if (from.euid != 0 && to.euid == 0) to.effective = to.permitted;
}

Result<Ref<Credentials>> with_user_ids(const Credentials& from, Uid ruid, Uid euid, Uid suid) {
  Ref<Credentials> to = TRY(from.clone());
  if (ruid != from.ruid) to->user = TRY(find_or_make_user(ruid));
  to->ruid = ruid, to->euid = euid, to->suid = suid, to->fsuid = euid;
  follow_user_ids(from, *to);
  return to;
}

Result<Ref<Credentials>> with_group_ids(const Credentials& from, Gid rgid, Gid egid, Gid sgid) {
  Ref<Credentials> to = TRY(from.clone());
  to->rgid = rgid, to->egid = egid, to->sgid = sgid, to->fsgid = egid;
  return to;
}

uint32_t keep(uint32_t wanted, uint32_t old) { return wanted == kKeepId ? old : wanted; }

}  // namespace

Result<Ref<Credentials>> set_uid(const Credentials& from, Uid uid) {
  if (uid == kKeepId) return Error(Errno::Inval);
  if (from.capable(Capability::Setuid)) return with_user_ids(from, uid, uid, uid);
  if (!is_one_of(uid, {from.ruid, from.suid})) return Error(Errno::Perm);
  return with_user_ids(from, from.ruid, uid, from.suid);
}

Result<Ref<Credentials>> set_reuid(const Credentials& from, Uid ruid, Uid euid) {
  if (!from.capable(Capability::Setuid) &&
      (!is_one_of(ruid, {from.ruid, from.euid}) || !is_one_of(euid, {from.ruid, from.euid, from.suid})))
    return Error(Errno::Perm);
  const bool saves = ruid != kKeepId || (euid != kKeepId && euid != from.ruid);
  euid = keep(euid, from.euid);
  return with_user_ids(from, keep(ruid, from.ruid), euid, saves ? euid : from.suid);
}

Result<Ref<Credentials>> set_resuid(const Credentials& from, Uid ruid, Uid euid, Uid suid) {
  if (!from.capable(Capability::Setuid))
    for (const Uid uid : {ruid, euid, suid})
      if (!is_one_of(uid, {from.ruid, from.euid, from.suid})) return Error(Errno::Perm);
  return with_user_ids(from, keep(ruid, from.ruid), keep(euid, from.euid), keep(suid, from.suid));
}

Result<Ref<Credentials>> set_fsuid(const Credentials& from, Uid uid) {
  if (uid == kKeepId) return Error(Errno::Perm);
  if (!from.capable(Capability::Setuid) && !is_one_of(uid, {from.ruid, from.euid, from.suid, from.fsuid}))
    return Error(Errno::Perm);
  Ref<Credentials> to = TRY(from.clone());
  to->fsuid = uid;
  if (!(from.secure_bits & kSecureNoSetuidFixup)) {
    if (from.fsuid == 0 && uid != 0) to->effective &= ~kFileCapabilities;
    if (from.fsuid != 0 && uid == 0) to->effective |= to->permitted & kFileCapabilities;
  }
  return to;
}

Result<Ref<Credentials>> set_gid(const Credentials& from, Gid gid) {
  if (gid == kKeepId) return Error(Errno::Inval);
  if (from.capable(Capability::Setgid)) return with_group_ids(from, gid, gid, gid);
  if (!is_one_of(gid, {from.rgid, from.sgid})) return Error(Errno::Perm);
  return with_group_ids(from, from.rgid, gid, from.sgid);
}

Result<Ref<Credentials>> set_regid(const Credentials& from, Gid rgid, Gid egid) {
  if (!from.capable(Capability::Setgid) &&
      (!is_one_of(rgid, {from.rgid, from.egid}) || !is_one_of(egid, {from.rgid, from.egid, from.sgid})))
    return Error(Errno::Perm);
  const bool saves = rgid != kKeepId || (egid != kKeepId && egid != from.rgid);
  egid = keep(egid, from.egid);
  return with_group_ids(from, keep(rgid, from.rgid), egid, saves ? egid : from.sgid);
}

Result<Ref<Credentials>> set_resgid(const Credentials& from, Gid rgid, Gid egid, Gid sgid) {
  if (!from.capable(Capability::Setgid))
    for (const Gid gid : {rgid, egid, sgid})
      if (!is_one_of(gid, {from.rgid, from.egid, from.sgid})) return Error(Errno::Perm);
  return with_group_ids(from, keep(rgid, from.rgid), keep(egid, from.egid), keep(sgid, from.sgid));
}

Result<Ref<Credentials>> set_fsgid(const Credentials& from, Gid gid) {
  if (gid == kKeepId) return Error(Errno::Perm);
  if (!from.capable(Capability::Setgid) && !is_one_of(gid, {from.rgid, from.egid, from.sgid, from.fsgid}))
    return Error(Errno::Perm);
  Ref<Credentials> to = TRY(from.clone());
  to->fsgid = gid;
  return to;
}

Result<Ref<Credentials>> set_groups(const Credentials& from, std::span<const Gid> groups) {
  if (!from.capable(Capability::Setgid)) return Error(Errno::Perm);
  if (groups.size() > kMaxGroups) return Error(Errno::Inval);
  Ref<Credentials> to = TRY(from.clone());
  std::ranges::copy(groups, to->groups);
  to->group_count = static_cast<uint32_t>(groups.size());
  return to;
}

Result<Ref<Credentials>> set_capabilities(const Credentials& from, CapabilitySet effective, CapabilitySet permitted,
                                          CapabilitySet inheritable) {
  const CapabilitySet may_inherit =
      from.inheritable | (from.capable(Capability::Setpcap) ? from.bounding : from.permitted);
  if ((permitted & ~from.permitted) || (effective & ~permitted) || (inheritable & ~may_inherit) ||
      (inheritable & ~(from.inheritable | from.bounding)))
    return Error(Errno::Perm);
  Ref<Credentials> to = TRY(from.clone());
  to->effective = effective, to->permitted = permitted, to->inheritable = inheritable;
  to->ambient &= permitted & inheritable;
  return to;
}

Result<Ref<Credentials>> credentials_for_exec(const Credentials& from, SetIdProgram program, bool may_gain) {
  Ref<Credentials> to = TRY(from.clone());
  if (program.uid) to->euid = *program.uid;
  if (program.gid) to->egid = *program.gid;
  to->secure_bits &= ~kSecureKeepCaps;

  const bool gained_ids = to->euid != from.euid || to->egid != from.egid;
  if (gained_ids) to->ambient = 0;
  const bool acts_as_root = !(from.secure_bits & kSecureNoRoot) && (to->ruid == 0 || to->euid == 0);
  CapabilitySet of_root = acts_as_root ? from.bounding | from.inheritable : 0;   // no file capabilities here
  const bool in_effect = acts_as_root && to->euid == 0;
  if (!may_gain && (to->euid != to->ruid || to->egid != to->rgid || of_root & ~from.permitted)) {
    to->euid = to->ruid, to->egid = to->rgid;
    of_root &= from.permitted;
  }
  to->permitted = of_root | to->ambient;
  to->effective = in_effect ? to->permitted : to->ambient;
  to->suid = to->fsuid = to->euid;
  to->sgid = to->fsgid = to->egid;
  return to;
}

Result<Ref<Credentials>> with_real_ids(const Credentials& from) {
  Ref<Credentials> to = TRY(from.clone());
  to->fsuid = from.ruid, to->fsgid = from.rgid;
  if (!(from.secure_bits & kSecureNoSetuidFixup)) to->effective = from.ruid == 0 ? from.permitted : 0;
  return to;
}

}  // namespace tine::identity
