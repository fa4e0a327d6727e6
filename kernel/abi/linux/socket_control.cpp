// SPDX-License-Identifier: BSD-2-Clause
// Control messages: decoding and encoding.
#include "abi/linux/socket_control.h"

#include <algorithm>
#include <cstring>

#include "event/kqueue.h"

namespace tine::abi::linux_abi {

using file::PassedFiles;
using file::UnixCredentials;

namespace {

constexpr int kLevelSocket = 1, kRights = 1, kCredentials = 2;
constexpr size_t kMostControl = 20480;  // net.core.optmem_max

struct ControlHeader {
  uint64_t length;  // with the header
  int32_t level;
  int32_t type;
};
constexpr size_t kAlignment = alignof(uint64_t);

Result<> check_credentials(const Call& call, const UnixCredentials& claimed) {
  using identity::Capability;
  const auto own = call.process().credentials();
  const bool uid_ok = claimed.uid == own->ruid || claimed.uid == own->euid || claimed.uid == own->suid ||
                      own->capable(Capability::Setuid);
  const bool gid_ok = claimed.gid == own->rgid || claimed.gid == own->egid || claimed.gid == own->sgid ||
                      own->capable(Capability::Setgid);
  const bool pid_ok = claimed.pid == call.process().pid() || own->capable(Capability::SysAdmin);
  if (!uid_ok || !gid_ok || !pid_ok) return Error(Errno::Perm);
  return {};
}

// A kqueue belongs to one process. A pledged process passes no directory: through it, whoever has it gets at more than
// one file.
Result<> check_passing(const Call& call, file::File& file, process::Promises needed) {
  if (file::file_cast<event::KqueueFile>(file) != nullptr) return Error(Errno::Inval);
  const bool is_directory = file.inode() != nullptr && file.inode()->is_directory();
  return process::require_promise(call.thread, is_directory ? process::promise::kNever : needed);
}

Result<file::PassedFilesPtr> make_passed_files(const Call& call) {
  using identity::Capability;
  file::PassedFilesPtr files(TRY(mem::make<PassedFiles>()));
  const auto own = call.process().credentials();
  const bool unlimited = own->capable(Capability::SysResource) || own->capable(Capability::SysAdmin);
  files->user = own->user;
  files->most_of_user = unlimited ? process::kUnlimited : call.process().limit(process::Resource::Files);
  return files;
}

Result<> add_files(const Call& call, SentAlong& along, std::span<const std::byte> numbers) {
  const size_t count = numbers.size() / sizeof(int32_t);
  if (count == 0) return {};
  if (!along.files) along.files = TRY(make_passed_files(call));
  PassedFiles& files = *along.files;
  if (count > PassedFiles::kMost - files.count) return Error(Errno::Inval);
  for (size_t i = 0; i < count; i++) {
    int32_t number;
    memcpy(&number, numbers.data() + i * sizeof number, sizeof number);
    Ref<file::File> file = TRY(get_file(call, number));
    TRY(check_passing(call, *file, process::promise::kSendfd));
    files.files[files.count] = std::move(file);
    files.count++;
  }
  return {};
}

}  // namespace

Result<SentAlong> load_control(const Call& call, uintptr_t control, size_t size) {
  SentAlong along{own_credentials(call), {}};
  if (size == 0 || control == 0) return along;
  if (size > kMostControl) return Error(Errno::NoBufs);
  auto buffer = TRY(vm::ConstUserBytes(control, size).copy_in_all());
  for (size_t at = 0; at + sizeof(ControlHeader) <= size;) {
    ControlHeader header;
    memcpy(&header, buffer.data() + at, sizeof header);
    if (header.length < sizeof header || header.length > size - at) return Error(Errno::Inval);
    const std::span body = buffer.span().subspan(at + sizeof header, header.length - sizeof header);
    at += round_up(header.length, kAlignment);
    if (header.level != kLevelSocket) continue;
    switch (header.type) {
      case kRights:
        TRY(add_files(call, along, body));
        break;
      case kCredentials:
        if (body.size() != sizeof along.credentials) return Error(Errno::Inval);
        memcpy(&along.credentials, body.data(), sizeof along.credentials);
        TRY(check_credentials(call, along.credentials));
        break;
      default:
        return Error(Errno::Inval);
    }
  }
  return along;
}

namespace {

// A control buffer being filled.
class ControlWriter {
 public:
  ControlWriter(uintptr_t control, size_t room) : control_(control), room_(control == 0 ? 0 : room) {}

  // Room for a message's body after what has been stored; 0 when not even its header fits.
  size_t body_room() const {
    return room_ - stored_.size < sizeof(ControlHeader) ? 0 : room_ - stored_.size - sizeof(ControlHeader);
  }
  void add(int type, const void* body, size_t size) {
    if (put(0, body, size)) end(type, size);
  }
  // A body in parts; it counts when end() has stored the header.
  bool put(size_t offset, const void* part, size_t size) {
    return static_cast<bool>(vm::copy_out(control_ + stored_.size + sizeof(ControlHeader) + offset, part, size));
  }
  void end(int type, size_t body_size) {
    const ControlHeader header{sizeof header + body_size, kLevelSocket, type};
    if (!vm::copy_out(control_ + stored_.size, &header, sizeof header)) return;
    stored_.size = std::min<size_t>(stored_.size + round_up(header.length, kAlignment), room_);
  }
  void truncated() { stored_.truncated = true; }
  const StoredControl& stored() const { return stored_; }

 private:
  const uintptr_t control_;
  const size_t room_;
  StoredControl stored_;
};

}  // namespace

StoredControl store_control(const Call& call, uintptr_t control, size_t room, file::UnixReceive& received,
                            bool with_credentials, bool close_on_exec) {
  ControlWriter writer(control, room);
  if (with_credentials) {
    const size_t size = std::min(writer.body_room(), sizeof received.credentials);
    if (size < sizeof received.credentials) writer.truncated();
    if (size != 0) writer.add(kCredentials, &received.credentials, size);
  }
  if (!received.files) return writer.stored();

  PassedFiles& files = *received.files;
  const auto fitting =
      static_cast<unsigned>(std::min<size_t>(files.count, writer.body_room() / sizeof(int32_t)));
  unsigned count = 0;
  bool stored = true;
  const auto table = call.process().descriptors();
  for (; count < fitting; count++) {
    if (!check_passing(call, *files.files[count], process::promise::kRecvfd)) break;
    const auto number = table->install(std::move(files.files[count]), close_on_exec, descriptor_limit(call));
    if (!number) break;
    const int32_t value = *number;
    stored = stored && writer.put(count * sizeof value, &value, sizeof value);
  }
  if (count < files.count) writer.truncated();
  if (count != 0 && stored) writer.end(kRights, count * sizeof(int32_t));
  return writer.stored();
}

}  // namespace tine::abi::linux_abi
