// SPDX-License-Identifier: BSD-2-Clause
#include "identity/credentials.h"

#include <algorithm>

#include "identity/user_record.h"

namespace tine::identity {

Credentials::Credentials() = default;
Credentials::~Credentials() = default;

Result<Ref<Credentials>> Credentials::clone() const {
  Ref<Credentials> copy = TRY(mem::make_ref<Credentials>());
  copy->ruid = ruid, copy->euid = euid, copy->suid = suid, copy->fsuid = fsuid;
  copy->rgid = rgid, copy->egid = egid, copy->sgid = sgid, copy->fsgid = fsgid;
  copy->permitted = permitted, copy->effective = effective, copy->inheritable = inheritable;
  copy->bounding = bounding, copy->ambient = ambient;
  copy->secure_bits = secure_bits;
  copy->group_count = group_count;
  std::copy_n(groups, group_count, copy->groups);
  copy->user = user;
  return copy;
}

bool Credentials::in_group(Gid gid) const {
  return gid == fsgid || std::find(groups, groups + group_count, gid) != groups + group_count;
}

}  // namespace tine::identity
