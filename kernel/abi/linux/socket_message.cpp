// SPDX-License-Identifier: BSD-2-Clause
// send(2) and recv(2) in their forms.
#include <algorithm>

#include "abi/linux/socket.h"
#include "abi/linux/socket_address.h"
#include "abi/linux/socket_control.h"
#include "abi/linux/timespec.h"

namespace tine::abi::linux_abi {

using file::IoBuffer;
using file::IoVector;

namespace {

constexpr size_t kMostVectors = 1024;      // UIO_MAXIOV
constexpr size_t kMostBytes = 0x7ffff000;  // MAX_RW_COUNT
constexpr unsigned kMostMessages = 1024;
constexpr uint32_t kMsgWaitForOne = 0x10000;
constexpr process::Promises kAddressPromises =
    process::promise::kInet | process::promise::kUnix | process::promise::kDns;

// struct msghdr
struct MessageHeader {
  uintptr_t name;
  uint32_t name_size, padding1;
  uintptr_t vectors;
  uint64_t vector_count;
  uintptr_t control;
  uint64_t control_size;
  uint32_t flags, padding2;
};
static_assert(sizeof(MessageHeader) == 56);

// struct mmsghdr
struct MultiHeader {
  MessageHeader header;
  uint32_t size, padding;
};

Result<mem::Buffer<IoVector>> load_vectors(const MessageHeader& header) {
  if (header.vector_count > kMostVectors) return Error(Errno::MsgSize);
  auto vectors = TRY(vm::UserSpan<IoVector>(header.vectors, header.vector_count).copy_in_all());
  size_t total = 0;
  for (IoVector& vector : vectors.span()) {
    if (static_cast<int64_t>(vector.length) < 0) return Error(Errno::Inval);
    vector.length = std::min(vector.length, kMostBytes - total);
    total += vector.length;
  }
  return vectors;
}

// --- Sending ---

struct Outgoing {
  IoBuffer data;
  vm::UserPtr<const std::byte> to;
  size_t to_size = 0;
  uintptr_t control = 0;
  size_t control_size = 0;
  uint32_t flags = 0;
};

CallResult send(const Call& call, const SocketReference& socket, Outgoing outgoing) {
  if (outgoing.flags & file::kMsgOob) return Error(Errno::OpNotSupp);
  auto along = TRY(load_control(call, outgoing.control, outgoing.control_size));
  file::UnixSend request{.data = outgoing.data,
                         .credentials = along.credentials,
                         .files = std::move(along.files),
                         .wait = !socket.file->non_blocking() && !(outgoing.flags & file::kMsgDontWait)};
  if (outgoing.to && outgoing.to_size != 0) {
    TRY(process::require_promise(call.thread, kAddressPromises));
    if (!socket.endpoint().is_datagram())
      return Error(socket.endpoint().peer_address() ? Errno::IsConn : Errno::OpNotSupp);
    const auto address = TRY(load_address(outgoing.to, outgoing.to_size));
    if (address.family != file::kFamilyUnix) return Error(Errno::Inval);
    request.to = TRY(find_endpoint(call, address));
  }
  const auto sent = socket.endpoint().send(request);
  if (!sent && sent.error() == Errno::Pipe && socket.endpoint().is_stream() &&
      !(outgoing.flags & file::kMsgNoSignal))
    process::send_signal_to_thread(call.thread, process::user_signal(process::kSigPipe, call.process()));
  return sent;
}

CallResult send_message(const Call& call, const SocketReference& socket,
                        vm::UserPtr<const MessageHeader> pointer, uint32_t flags) {
  const MessageHeader header = TRY(pointer.load());
  const auto vectors = TRY(load_vectors(header));
  return send(call, socket,
              {.data = IoBuffer::vector(vectors.span()),
               .to = vm::UserPtr<const std::byte>(header.name),
               .to_size = header.name_size,
               .control = header.control,
               .control_size = header.control_size,
               .flags = flags});
}

// --- Receiving ---

file::UnixReceive receive_request(const SocketReference& socket, IoBuffer& data, uint32_t flags) {
  return {
      .data = data, .flags = flags, .wait = !socket.file->non_blocking() && !(flags & file::kMsgDontWait)};
}

CallResult receive_message(const Call& call, const SocketReference& socket,
                           vm::UserPtr<MessageHeader> pointer, uint32_t flags) {
  if (flags & file::kMsgOob) return Error(Errno::OpNotSupp);
  MessageHeader header = TRY(pointer.load());
  const auto vectors = TRY(load_vectors(header));
  IoBuffer data = IoBuffer::vector(vectors.span());
  file::UnixReceive request = receive_request(socket, data, flags);
  TRY(socket.endpoint().receive(request));

  const bool close_on_exec = flags & file::kMsgCmsgCloexec;
  const StoredControl control =
      store_control(call, header.control, header.control_size, request,
                    request.got_message && socket.endpoint().pass_credentials.load(), close_on_exec);
  if (header.name != 0)
    header.name_size =
        TRY(store_sender(request.from.get(), vm::UserPtr<std::byte>(header.name), header.name_size));
  header.control_size = control.size;
  header.flags = (flags & file::kMsgCmsgCloexec) | (request.truncated ? file::kMsgTrunc : 0) |
                 (control.truncated ? file::kMsgCtrunc : 0);
  TRY(pointer.store(header));
  return request.size;
}

}  // namespace

CallResult sys_sendto(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  return send(call, socket,
              {.data = IoBuffer::user(call.args[1], std::min(call.args[2], kMostBytes)),
               .to = call.pointer<const std::byte>(4),
               .to_size = call.as_unsigned(5),
               .flags = call.as_unsigned(3)});
}

CallResult sys_sendmsg(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  return send_message(call, socket, call.pointer<const MessageHeader>(1), call.as_unsigned(2));
}

CallResult sys_sendmmsg(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  const unsigned count = std::min(call.as_unsigned(2), kMostMessages);
  unsigned done = 0;
  for (; done < count; done++) {
    const auto entry = call.pointer<MultiHeader>(1) + done;
    const auto sent = send_message(call, socket, entry.as<const MessageHeader>(), call.as_unsigned(3));
    const Result<> stored =
        sent ? entry.at_offset<uint32_t>(offsetof(MultiHeader, size)).store(static_cast<uint32_t>(*sent))
             : Error(sent.error());
    if (stored) continue;
    if (done == 0) return Error(stored.error());
    break;
  }
  return done;
}

CallResult sys_recvfrom(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  const uint32_t flags = call.as_unsigned(3);
  if (flags & file::kMsgOob) return Error(Errno::OpNotSupp);
  IoBuffer data = IoBuffer::user(call.args[1], std::min(call.args[2], kMostBytes));
  file::UnixReceive request = receive_request(socket, data, flags);
  TRY(socket.endpoint().receive(request));
  if (const auto address = call.pointer<std::byte>(4)) {
    const auto size = call.pointer<int32_t>(5);
    const int32_t room = TRY(size.load());
    if (room < 0) return Error(Errno::Inval);
    const uint32_t full = TRY(store_sender(request.from.get(), address, static_cast<size_t>(room)));
    TRY(size.store(static_cast<int32_t>(full)));
  }
  return request.size;
}

CallResult sys_recvmsg(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  return receive_message(call, socket, call.pointer<MessageHeader>(1), call.as_unsigned(2));
}

// The timeout is looked at after each message only: recvmmsg(2), BUGS.
CallResult sys_recvmmsg(const Call& call) {
  const auto socket = TRY(get_socket(call, call.as_int(0)));
  const unsigned count = std::min(call.as_unsigned(2), kMostMessages);
  uint32_t flags = call.as_unsigned(3);
  const auto timeout = call.pointer<TimeSpec>(4);
  Nanoseconds deadline = kForever;
  if (timeout) deadline = deadline_after(TRY(to_nanoseconds(TRY(timeout.load()))));

  unsigned done = 0;
  while (done < count) {
    const auto entry = call.pointer<MultiHeader>(1) + done;
    const auto received = receive_message(call, socket, entry.as<MessageHeader>(), flags & ~kMsgWaitForOne);
    const Result<> stored =
        received
            ? entry.at_offset<uint32_t>(offsetof(MultiHeader, size)).store(static_cast<uint32_t>(*received))
            : Error(received.error());
    if (!stored) {
      if (done == 0) return Error(stored.error());
      break;
    }
    done++;
    if (flags & kMsgWaitForOne) flags |= file::kMsgDontWait;
    if (deadline != kForever && machine::now() >= deadline) break;
  }
  if (timeout) TRY(timeout.store(to_timespec(time_until(deadline))));
  return done;
}

}  // namespace tine::abi::linux_abi
