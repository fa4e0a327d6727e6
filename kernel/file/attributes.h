// SPDX-License-Identifier: BSD-2-Clause
// Changes of a file's attributes and size, with the checks for them. Source: chmod(2), chown(2), utimensat(2),
// truncate(2), access(2). Lock: the inode's.
#pragma once

#include <optional>

#include "file/lookup.h"

namespace tine::file {

Result<> change_mode(const identity::Credentials& credentials, const Path& path, uint32_t mode);
Result<> change_owner(const identity::Credentials& credentials, const Path& path, std::optional<identity::Uid> uid,
                      std::optional<identity::Gid> gid);

// A time to set, ns since 1970; Now and Omit as utimensat(2) has them.
struct NewTime {
  enum class Kind : uint8_t { Set, Now, Omit } kind = Kind::Now;
  Nanoseconds time = 0;
};
Result<> change_times(const identity::Credentials& credentials, const Path& path, NewTime accessed, NewTime modified);

Result<> truncate(const identity::Credentials& credentials, const Path& path, uint64_t size);
Result<> check_access(const identity::Credentials& credentials, const Path& path, identity::AccessMask wanted);

// Before a write or truncation by somebody who may not keep them: set-id bits go.
void drop_set_id(const identity::Credentials& credentials, Inode& inode);

}  // namespace tine::file
