// SPDX-License-Identifier: BSD-2-Clause
// socket(2), socketpair(2), bind(2), listen(2), accept(2), connect(2), getsockname(2), shutdown(2).
#include "abi/linux/socket.h"

#include <algorithm>

#include "abi/linux/socket_address.h"

namespace tine::abi::linux_abi {

using file::kCloseOnExec;
using file::kNonBlock;
using file::UnixEndpoint;
using file::UnixSocket;
using file::UnixType;

namespace {

constexpr unsigned kTypeMask = 15;
constexpr unsigned kMostBacklog = 4096;  // net.core.somaxconn

Result<Ref<UnixEndpoint>> make_endpoint(const Call& call, int family, unsigned type, int protocol) {
  if (family != file::kFamilyUnix) return Error(Errno::AfNoSupport);
  if (type & ~(kTypeMask | kCloseOnExec | kNonBlock)) return Error(Errno::Inval);
  if (protocol != 0 && protocol != file::kFamilyUnix) return Error(Errno::ProtoNoSupport);
  UnixType unix_type;
  switch (type & kTypeMask) {
    case 1:
      unix_type = UnixType::Stream;
      break;
    case 2:
    case 3:
      unix_type = UnixType::Datagram;
      break;  // SOCK_RAW has always meant that here
    case 5:
      unix_type = UnixType::SeqPacket;
      break;
    default:
      return Error(Errno::SockTNoSupport);
  }
  return mem::make_ref<UnixEndpoint>(unix_type, own_credentials(call));
}

CallResult accept(const Call& call, unsigned flags) {
  if (flags & ~(kCloseOnExec | kNonBlock)) return Error(Errno::Inval);
  const auto listener = TRY(get_socket(call, call.as_int(0)));
  TRY(check_descriptor_left(call));
  auto endpoint = TRY(listener.endpoint().accept(!listener.file->non_blocking()));
  auto socket = TRY(UnixSocket::create(endpoint, flags));
  if (const auto address = call.pointer<std::byte>(1)) {
    const auto peer = endpoint->peer_address();  // a peer that has left again had no name that mattered
    TRY(store_address(peer ? peer->get() : nullptr, address, call.pointer<int32_t>(2)));
  }
  return install_file(call, std::move(socket), flags & kCloseOnExec);
}

}  // namespace

CallResult sys_socket(const Call& call) {
  const unsigned type = call.as_unsigned(1);
  TRY(file::File::check_room());
  auto endpoint = TRY(make_endpoint(call, call.as_int(0), type, call.as_int(2)));
  return install_file(call, TRY(UnixSocket::create(std::move(endpoint), type)), type & kCloseOnExec);
}

CallResult sys_socketpair(const Call& call) {
  const unsigned type = call.as_unsigned(1);
  TRY(file::File::check_room());
  const auto first =
      TRY(UnixSocket::create(TRY(make_endpoint(call, call.as_int(0), type, call.as_int(2))), type));
  const auto second =
      TRY(UnixSocket::create(TRY(make_endpoint(call, call.as_int(0), type, call.as_int(2))), type));
  UnixEndpoint::pair(first->endpoint(), second->endpoint());

  const auto table = call.process().descriptors();
  const bool close_on_exec = type & kCloseOnExec;
  const unsigned limit = descriptor_limit(call);
  const auto finish = [&]() -> Result<> {
    const int a = TRY(table->install(first, close_on_exec, limit));
    const auto b = table->install(second, close_on_exec, limit);
    const int32_t numbers[2] = {a, b.value_or(-1)};
    Result<> result = b ? vm::copy_out(call.args[3], numbers, sizeof numbers) : Error(b.error());
    if (result) return result;
    static_cast<void>(close_descriptor(call, *table, a));
    if (b) static_cast<void>(close_descriptor(call, *table, *b));
    return result;
  };
  TRY(finish());
  return 0;
}

CallResult sys_bind(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  const auto address = TRY(load_address(call.pointer<const std::byte>(1), call.as_unsigned(2)));
  TRY(bind_endpoint(call, socket.endpoint(), address));
  return 0;
}

CallResult sys_listen(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  // A negative backlog counts as the largest, as on Linux.
  const unsigned backlog = std::min(call.as_unsigned(1), kMostBacklog);
  TRY(socket.endpoint().listen(backlog, own_credentials(call)));
  return 0;
}

CallResult sys_accept(const Call& call) { return accept(call, 0); }
CallResult sys_accept4(const Call& call) { return accept(call, call.as_unsigned(3)); }

CallResult sys_connect(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  const auto address = TRY(load_address(call.pointer<const std::byte>(1), call.as_unsigned(2)));
  if (address.family == kFamilyUnspecified) {
    if (!socket.endpoint().is_datagram()) return Error(Errno::Inval);
    socket.endpoint().disconnect();
    return 0;
  }
  const auto target = TRY(find_endpoint(call, address));
  TRY(socket.endpoint().connect(*target, own_credentials(call), !socket.file->non_blocking()));
  return 0;
}

CallResult sys_getsockname(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  TRY(store_address(socket.endpoint().address().get(), call.pointer<std::byte>(1), call.pointer<int32_t>(2)));
  return 0;
}

CallResult sys_getpeername(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  const auto peer = TRY(socket.endpoint().peer_address());
  TRY(store_address(peer.get(), call.pointer<std::byte>(1), call.pointer<int32_t>(2)));
  return 0;
}

CallResult sys_shutdown(const Call& call) {
  enum How : unsigned { kReceiving = 0, kSending = 1, kBoth = 2 };
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  const unsigned how = call.as_unsigned(1);
  if (how > kBoth) return Error(Errno::Inval);
  TRY(socket.endpoint().shut_down(how != kSending, how != kReceiving));
  return 0;
}

}  // namespace tine::abi::linux_abi
