// SPDX-License-Identifier: BSD-2-Clause
// The open file over an AF_UNIX endpoint.
#include "file/unix_socket.h"

#include "file/inode.h"
#include "file/unix_in_flight.h"
#include "vm/user_ptr.h"

namespace tine::file {
namespace {

constexpr uint32_t kFionread = 0x541b, kSiocoutq = 0x5411;
std::atomic<uint64_t> last_inode{0};  // sockets live in a numbering of their own, as in Linux's sockfs

}  // namespace

Result<Ref<UnixSocket>> UnixSocket::create(Ref<UnixEndpoint> endpoint, uint32_t flags) {
  auto socket = mem::make_ref<UnixSocket>(endpoint, kReadWrite | (flags & kNonBlock));
  if (!socket) endpoint->close();
  return socket;
}

UnixSocket::UnixSocket(Ref<UnixEndpoint> endpoint, uint32_t flags)
    : File(flags, Path()), endpoint_(std::move(endpoint)), inode_(last_inode.fetch_add(1) + 1) {
  endpoint_->in_flight.file = this;  // before it can be passed to anybody
}

UnixSocket::~UnixSocket() {
  endpoint_->close();
  UnixInFlight::request_collection();
}

Result<size_t> UnixSocket::read(IoBuffer& into, uint64_t*) {
  if (into.remaining() == 0) return 0;
  UnixReceive request{.data = into, .wait = !non_blocking()};
  TRY(endpoint_->receive(request));
  return request.size;  // files that came along are closed
}

// Without credentials of the caller, which only sendmsg(2) gives: those of whoever made the socket count.
Result<size_t> UnixSocket::write(IoBuffer& from, uint64_t*) {
  UnixSend request{.data = from, .credentials = endpoint_->own_credentials(), .wait = !non_blocking()};
  return endpoint_->send(request);
}

Result<uint64_t> UnixSocket::control(uint32_t command, uint64_t argument) {
  size_t value;
  switch (command) {
    case kFionread:
      if (endpoint_->is_listening()) return Error(Errno::Inval);
      value = endpoint_->readable_bytes();
      break;
    case kSiocoutq:
      value = endpoint_->unread_bytes();
      break;
    default:
      return Error(Errno::NotTty);
  }
  TRY(vm::UserPtr<int32_t>(argument).store(static_cast<int32_t>(value)));
  return 0;
}

Result<> UnixSocket::stat(Stat& stat) {
  stat = Stat{};
  stat.inode = inode_;
  stat.mode = mode_of(FileType::Socket) | 0777;
  return {};
}

}  // namespace tine::file
