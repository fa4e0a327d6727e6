// SPDX-License-Identifier: BSD-2-Clause
// Descriptors as such: close, dup, ioctl's generic commands.
#include "abi/linux/file.h"
#include "abi/linux/file_transfer.h"
#include "abi/linux/process.h"
#include "event/kqueue.h"
#include "file/inode.h"

namespace tine::abi::linux_abi {
namespace {

using file::File;

constexpr uint32_t kSetNonBlocking = 0x5421, kSetAsync = 0x5452, kClearCloseOnExec = 0x5450, kSetCloseOnExec = 0x5451,
                   kBytesToRead = 0x541b, kFileSize = 0x5460;   // FIONBIO, FIOASYNC, FIONCLEX, FIOCLEX, FIONREAD, FIOQSIZE

CallResult duplicate_at(const Call& call, int from, int to, bool close_on_exec) {
  const Ref<file::DescriptorTable> table = call.process().descriptors();
  const Ref<File> file = TRY(table->get(from));
  const unsigned limit = descriptor_limit(call);
  const auto install = [&] { return table->install_at(to, file, close_on_exec, limit); };
  // What is open there is closed, which does not fail.
  const bool closes = table->get(to).has_value();
  TRY(closes ? until_there_is_room(call, install) : install());
  return static_cast<uint64_t>(to);
}

CallResult set_flag(File& file, vm::UserPtr<const int32_t> value, uint32_t flag) {
  const bool on = TRY(value.load()) != 0;
  file.set_status_flags(on ? file.flags() | flag : file.flags() & ~flag);
  return 0;
}

}  // namespace

CallResult sys_close(const Call& call) {
  const Ref<File> file = TRY(close_descriptor(call, *call.process().descriptors(), call.as_int(0)));
  // A kqueue is not inherited, though its number is taken until now.
  const auto* kqueue = file::file_cast<event::KqueueFile>(*file);
  return kqueue == nullptr || kqueue->usable_by(call.process()) ? CallResult(0) : Error(Errno::BadF);
}

CallResult sys_close_range(const Call& call) {
  constexpr uint32_t kUnshare = 2, kCloseOnExec = 4;
  const unsigned first = call.as_unsigned(0), last = call.as_unsigned(1);
  const uint32_t flags = call.as_unsigned(2);
  if (flags & ~(kUnshare | kCloseOnExec) || first > last) return Error(Errno::Inval);
  if (flags & kUnshare) TRY(unshare(call, {.files = process::UnshareFiles::Copy}));
  const Ref<file::DescriptorTable> table = call.process().descriptors();
  TRY(until_there_is_room(call, [&] {
    return flags & kCloseOnExec ? table->set_close_on_exec_range(first, last) : table->close_range(first, last);
  }));
  return 0;
}

CallResult sys_dup(const Call& call) { return install_file(call, TRY(get_file(call, call.as_int(0))), false); }

CallResult sys_dup2(const Call& call) {
  const int from = call.as_int(0), to = call.as_int(1);
  if (from == to) {
    TRY(get_file(call, from));
    return static_cast<uint64_t>(to);
  }
  return duplicate_at(call, from, to, false);
}

CallResult sys_dup3(const Call& call) {
  const int from = call.as_int(0), to = call.as_int(1);
  const uint32_t flags = call.as_unsigned(2);
  if (flags & ~file::kCloseOnExec || from == to) return Error(Errno::Inval);
  return duplicate_at(call, from, to, flags & file::kCloseOnExec);
}

CallResult sys_ioctl(const Call& call) {
  const int descriptor = call.as_int(0);
  const uint32_t command = call.as_unsigned(1);
  const Ref<File> file = TRY(get_open_file(call, descriptor));
  switch (command) {
    case kSetCloseOnExec:
    case kClearCloseOnExec:
      TRY(mark_close_on_exec(call, descriptor, command == kSetCloseOnExec));
      return 0;
    case kSetNonBlocking: return set_flag(*file, call.pointer<const int32_t>(2), file::kNonBlock);
    case kSetAsync: return set_flag(*file, call.pointer<const int32_t>(2), file::kAsync);
    case kBytesToRead:
    case kFileSize:
      if (file->inode() != nullptr && file->inode()->is_regular()) {
        const uint64_t size = file->inode()->size();
        if (command == kFileSize) {
          TRY(call.pointer<int64_t>(2).store(static_cast<int64_t>(size)));
          return 0;
        }
        sync::MutexGuard guard(file->offset_lock);
        TRY(call.pointer<int32_t>(2).store(static_cast<int32_t>(size - file->offset)));
        return 0;
      }
      break;
    default: break;
  }
  return file->control(command, call.args[2]);
}

}  // namespace tine::abi::linux_abi
