// SPDX-License-Identifier: BSD-2-Clause
// Control messages (struct cmsghdr) of sendmsg(2) and recvmsg(2): descriptors and credentials. Source:
// cmsg(3), unix(7).
#pragma once

#include "abi/linux/socket_address.h"

namespace tine::abi::linux_abi {

// What a control buffer asks to be sent along. Errors: Inval, BadF, Perm (credentials that are not the
// caller's), NoBufs (an oversized buffer), NoMem, Fault.
struct SentAlong {
  file::UnixCredentials credentials;
  file::PassedFilesPtr files;
};
Result<SentAlong> load_control(const Call& call, uintptr_t control, size_t size);

// Stores what came along; descriptors are installed in the caller's table. What does not fit is dropped.
struct StoredControl {
  size_t size = 0;
  bool truncated = false;
};
StoredControl store_control(const Call& call, uintptr_t control, size_t room, file::UnixReceive& received,
                            bool with_credentials, bool close_on_exec);

}  // namespace tine::abi::linux_abi
