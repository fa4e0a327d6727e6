// SPDX-License-Identifier: BSD-2-Clause
// Socket addresses: decoding, encoding, finding and binding.
#include "abi/linux/socket_address.h"

#include <algorithm>

#include "file/attributes.h"
#include "file/names.h"

namespace tine::abi::linux_abi {

using file::UnixAddress;
using file::UnixEndpoint;

namespace {

constexpr size_t kFamilySize = sizeof(uint16_t);

struct SockaddrUn {
  uint16_t family = file::kFamilyUnix;
  char path[file::kUnixPathMax + 1];  // a path of full length still gets its terminating 0
};

// Fills `into`; returns the address's size in bytes.
size_t encode(const UnixAddress* address, SockaddrUn& into) {
  if (address == nullptr) return kFamilySize;
  const std::string_view name = address->name();
  std::copy(name.begin(), name.end(), into.path);
  if (address->is_abstract()) return kFamilySize + name.size();
  into.path[name.size()] = 0;
  return kFamilySize + name.size() + 1;
}

}  // namespace

Result<SocketReference> get_socket(const Call& call, int descriptor) {
  auto file = TRY(get_file(call, descriptor));
  auto* socket = file::file_cast<file::UnixSocket>(*file);
  if (socket == nullptr) return Error(Errno::NotSock);
  return SocketReference{std::move(file), *socket};
}

file::UnixCredentials own_credentials(const Call& call) {
  const auto credentials = call.process().credentials();
  return {call.process().pid(), credentials->euid, credentials->egid};
}

Result<UserAddress> load_address(vm::UserPtr<const std::byte> address, size_t size) {
  constexpr size_t kMost = 128;  // struct sockaddr_storage
  if (size > kMost) return Error(Errno::Inval);
  UserAddress result;
  if (size < kFamilySize) return Error(Errno::Inval);
  TRY(vm::copy_in(&result.family, address.address(), kFamilySize));
  if (result.family == kFamilyUnspecified) return result;
  if (result.family != file::kFamilyUnix) return Error(Errno::Inval);
  result.size = size - kFamilySize;
  if (result.size > file::kUnixPathMax) return Error(Errno::Inval);
  if (result.size == 0) return result;
  TRY(vm::copy_in(result.name, address.address() + kFamilySize, result.size));
  if (!result.is_abstract())
    result.size = static_cast<size_t>(std::find(result.name, result.name + result.size, 0) - result.name);
  return result;
}

Result<> store_address(const UnixAddress* address, vm::UserPtr<std::byte> to, vm::UserPtr<int32_t> size) {
  const int32_t room = TRY(size.load());
  if (room < 0) return Error(Errno::Inval);
  SockaddrUn encoded;
  const size_t full = encode(address, encoded);
  TRY(vm::copy_out(to.address(), &encoded, std::min(full, static_cast<size_t>(room))));
  return size.store(static_cast<int32_t>(full));
}

Result<uint32_t> store_sender(const UnixAddress* address, vm::UserPtr<std::byte> to, size_t room) {
  if (address == nullptr) return 0;
  SockaddrUn encoded;
  const size_t full = encode(address, encoded);
  TRY(vm::copy_out(to.address(), &encoded, std::min(full, room)));
  return static_cast<uint32_t>(full);
}

Result<Ref<UnixEndpoint>> find_endpoint(const Call& call, const UserAddress& address) {
  Ref<UnixEndpoint> endpoint;
  if (address.is_abstract()) {
    endpoint = file::find_abstract(address.view());
  } else {
    if (address.size == 0) return Error(Errno::Inval);
    const auto fs = call.process().fs();
    const auto credentials = call.process().credentials();
    const file::LookupContext context{fs->root(), *credentials, call.thread.lookup_guard};
    const file::Path path =
        TRY(file::lookup(context, fs->working_directory(), address.view(), file::kFollowLast));
    TRY(file::check_access(*credentials, path, identity::kMayWrite));
    file::Inode& inode = *path.inode();
    if (inode.type != file::FileType::Socket) return Error(Errno::ConnRefused);
    // What is attached to a socket's inode is always the address that made it.
    if (const auto attached = inode.attachment()) endpoint = static_cast<UnixAddress&>(*attached).owner();
  }
  if (endpoint == nullptr) return Error(Errno::ConnRefused);
  return endpoint;
}

Result<> bind_endpoint(const Call& call, UnixEndpoint& endpoint, const UserAddress& address) {
  if (address.family != file::kFamilyUnix) return Error(Errno::Inval);
  if (endpoint.is_bound()) return Error(Errno::Inval);

  if (address.size == 0 || address.is_abstract()) {
    Ref<UnixAddress> name;
    if (address.size == 0) {
      name = TRY(file::make_unused_abstract());
    } else {
      name = TRY(mem::make_ref<UnixAddress>(address.view()));
      TRY(file::publish_abstract(*name));
    }
    const Result<> bound = endpoint.bind(name);
    if (!bound) file::withdraw_abstract(*name);
    return bound;
  }

  auto name = TRY(mem::make_ref<UnixAddress>(address.view()));
  const auto fs = call.process().fs();
  const auto credentials = call.process().credentials();
  const file::LookupContext context{fs->root(), *credentials, call.thread.lookup_guard};
  const uint32_t mode = file::mode_of(file::FileType::Socket) | (0777 & ~fs->umask());
  const auto path = file::make_node(context, fs->working_directory(), address.view(), mode, 0);
  if (!path) return Error(path.error() == Errno::Exist ? Errno::AddrInUse : path.error());
  TRY(endpoint.bind(name));
  path->inode()->attach(name);
  return {};
}

}  // namespace tine::abi::linux_abi
