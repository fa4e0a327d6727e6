// SPDX-License-Identifier: BSD-2-Clause
// Socket descriptors and socket addresses (struct sockaddr_un) as programs pass them. Source: unix(7).
#pragma once

#include "abi/linux/descriptors.h"
#include "file/unix_socket.h"

namespace tine::abi::linux_abi {

inline constexpr int kFamilyUnspecified = 0;

// A socket and the reference that keeps it open during the call.
struct SocketReference {
  Ref<file::File> file;
  file::UnixSocket& socket;
  file::UnixEndpoint& endpoint() const { return socket.endpoint(); }
};
Result<SocketReference> get_socket(const Call& call, int descriptor);  // BadF, NotSock

file::UnixCredentials own_credentials(const Call& call);

// An address from user memory. Errors: Inval, Fault, AfNoSupport.
struct UserAddress {
  uint16_t family = kFamilyUnspecified;
  size_t size = 0;  // of `name`; 0: unnamed
  char name[file::kUnixPathMax];
  std::string_view view() const { return {name, size}; }
  bool is_abstract() const { return size != 0 && name[0] == 0; }
};
Result<UserAddress> load_address(vm::UserPtr<const std::byte> address, size_t size);

// Stores at most as much as there is room for, and the full size. Errors: Inval (a negative room), Fault.
Result<> store_address(const file::UnixAddress* address, vm::UserPtr<std::byte> to,
                       vm::UserPtr<int32_t> size);
// The same for struct msghdr, where an unnamed sender has no address at all. Returns the full size.
Result<uint32_t> store_sender(const file::UnixAddress* address, vm::UserPtr<std::byte> to, size_t room);

// Who is bound to `address`. Errors: ConnRefused when nobody is; those of path lookup.
Result<Ref<file::UnixEndpoint>> find_endpoint(const Call& call, const UserAddress& address);
Result<> bind_endpoint(const Call& call, file::UnixEndpoint& endpoint, const UserAddress& address);

}  // namespace tine::abi::linux_abi
