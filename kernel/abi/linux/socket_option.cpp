// SPDX-License-Identifier: BSD-2-Clause
// setsockopt(2), getsockopt(2). Options that mean nothing for AF_UNIX are remembered, as on Linux. Source:
// socket(7).
#include <algorithm>
#include <cstring>

#include "abi/linux/socket.h"
#include "abi/linux/socket_address.h"
#include "abi/linux/timespec.h"

namespace tine::abi::linux_abi {

using file::UnixEndpoint;

namespace {

constexpr int kLevelSocket = 1;
enum Option : int {
  kDebug = 1,
  kReuseAddress = 2,
  kType = 3,
  kError = 4,
  kDontRoute = 5,
  kBroadcast = 6,
  kSendBuffer = 7,
  kReceiveBuffer = 8,
  kKeepAlive = 9,
  kOobInline = 10,
  kPriority = 12,
  kLinger = 13,
  kReusePort = 15,
  kPassCred = 16,
  kPeerCred = 17,
  kReceiveLow = 18,
  kSendLow = 19,
  kReceiveTimeout = 20,
  kSendTimeout = 21,
  kAcceptConn = 30,
  kSendBufferForce = 32,
  kReceiveBufferForce = 33,
  kProtocol = 38,
  kDomain = 39,
  kPeerGroups = 59,
};
constexpr uint64_t kInert = 1u << kDebug | 1u << kReuseAddress | 1u << kDontRoute | 1u << kBroadcast |
                            1u << kKeepAlive | 1u << kOobInline | 1u << kReusePort;
constexpr bool is_inert(int option) { return option >= 0 && option < 64 && (kInert >> option & 1); }

constexpr size_t kLeastBuffer = 4608,
                 kMostBuffer = 212992;  // net.core.wmem_max; the kernel doubles what is asked for

struct LingerValue {
  int32_t on, seconds;
};

Result<int32_t> load_int(const Call& call) {
  if (call.as_int(4) < static_cast<int>(sizeof(int32_t))) return Error(Errno::Inval);
  return call.pointer<const int32_t>(3).load();
}

Result<> set_buffer(const Call& call, std::atomic<size_t>& limit, bool force) {
  const auto asked = static_cast<size_t>(std::max(TRY(load_int(call)), 0));
  if (force && !call.process().credentials()->capable(identity::Capability::NetAdmin))
    return Error(Errno::Perm);
  const size_t most = force ? 16 * kMostBuffer : kMostBuffer;
  limit = std::max(kLeastBuffer, 2 * std::min(asked, most));
  return {};
}

Result<> set_timeout(const Call& call, std::atomic<Nanoseconds>& timeout) {
  if (call.as_int(4) < static_cast<int>(sizeof(TimeVal))) return Error(Errno::Inval);
  const TimeVal value = TRY(call.pointer<const TimeVal>(3).load());
  if (value.microseconds < 0 || value.microseconds >= 1'000'000) return Error(Errno::Dom);
  if (value.seconds < 0) {
    timeout = 0;  // as Linux has it: never wait
    return {};
  }
  const Nanoseconds time = TRY(to_nanoseconds(TimeSpec{value.seconds, value.microseconds * 1000}));
  timeout = time == 0 ? kForever : time;
  return {};
}

Result<> set_option(const Call& call, UnixEndpoint& endpoint, int option) {
  if (is_inert(option)) {
    const uint64_t bit = uint64_t{1} << option;
    if (TRY(load_int(call)) != 0)
      endpoint.inert_options.fetch_or(bit);
    else
      endpoint.inert_options.fetch_and(~bit);
    return {};
  }
  switch (option) {
    case kPassCred:
      endpoint.pass_credentials = TRY(load_int(call)) != 0;
      return {};
    case kSendBuffer:
      return set_buffer(call, endpoint.send_limit, false);
    case kReceiveBuffer:
      return set_buffer(call, endpoint.receive_limit, false);
    case kSendBufferForce:
      return set_buffer(call, endpoint.send_limit, true);
    case kReceiveBufferForce:
      return set_buffer(call, endpoint.receive_limit, true);
    case kSendTimeout:
      return set_timeout(call, endpoint.send_timeout);
    case kReceiveTimeout:
      return set_timeout(call, endpoint.receive_timeout);
    default:
      return Error(Errno::NoProtoOpt);
  }
}

// Stores at most as much as there is room for, and how much that is.
Result<> store_value(const Call& call, const void* value, size_t size) {
  const auto length = call.pointer<int32_t>(4);
  const int32_t room = TRY(length.load());
  if (room < 0) return Error(Errno::Inval);
  size = std::min(size, static_cast<size_t>(room));
  TRY(vm::copy_out(call.args[3], value, size));
  return length.store(static_cast<int32_t>(size));
}

Result<> store_int(const Call& call, int64_t value) {
  const auto narrow = static_cast<int32_t>(value);
  return store_value(call, &narrow, sizeof narrow);
}

Result<> store_timeout(const Call& call, Nanoseconds timeout) {
  TimeVal value;
  if (timeout != kForever)
    value = {static_cast<int64_t>(timeout / kSecond), static_cast<int64_t>(timeout % kSecond / kMicrosecond)};
  return store_value(call, &value, sizeof value);
}

Result<> get_option(const Call& call, UnixEndpoint& endpoint, int option) {
  if (is_inert(option)) return store_int(call, endpoint.inert_options.load() >> option & 1);
  switch (option) {
    case kType:
      return store_int(call, static_cast<int>(endpoint.type));
    case kDomain:
      return store_int(call, file::kFamilyUnix);
    case kProtocol:
    case kPriority:
      return store_int(call, 0);
    case kError:
      return store_int(call, static_cast<int>(endpoint.take_error()));
    case kSendBuffer:
      return store_int(call, static_cast<int64_t>(endpoint.send_limit.load()));
    case kReceiveBuffer:
      return store_int(call, static_cast<int64_t>(endpoint.receive_limit.load()));
    case kReceiveLow:
    case kSendLow:
      return store_int(call, 1);
    case kAcceptConn:
      return store_int(call, endpoint.is_listening());
    case kPassCred:
      return store_int(call, endpoint.pass_credentials.load());
    case kSendTimeout:
      return store_timeout(call, endpoint.send_timeout.load());
    case kReceiveTimeout:
      return store_timeout(call, endpoint.receive_timeout.load());
    case kLinger: {
      const LingerValue off{0, 0};
      return store_value(call, &off, sizeof off);
    }
    case kPeerCred: {
      const file::UnixCredentials credentials = endpoint.peer_credentials();
      return store_value(call, &credentials, sizeof credentials);
    }
    default:
      return Error(Errno::NoProtoOpt);
  }
}

}  // namespace

CallResult sys_setsockopt(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  if (call.as_int(1) != kLevelSocket) return Error(Errno::OpNotSupp);
  TRY(set_option(call, socket.endpoint(), call.as_int(2)));
  return 0;
}

CallResult sys_getsockopt(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  if (call.as_int(1) != kLevelSocket) return Error(Errno::OpNotSupp);
  TRY(get_option(call, socket.endpoint(), call.as_int(2)));
  return 0;
}

}  // namespace tine::abi::linux_abi
