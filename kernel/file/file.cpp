// SPDX-License-Identifier: BSD-2-Clause
// What an open file does unless its class says otherwise.
#include "file/file.h"

#include <limits>

#include "file/inode.h"
#include "file/locks.h"
#include "file/open_file.h"

namespace tine::file {
namespace {

constexpr uint32_t kChangeable = kAppend | kNonBlock | kAsync | kDirect | kNoAtime;
constexpr int kSeekSet = 0, kSeekCurrent = 1, kSeekEnd = 2;

}  // namespace

File::File(uint32_t flags, Path path)
    : flags_(flags & ~(kCreate | kExclusive | kNoCtty | kTruncate | kCloseOnExec)), path_(std::move(path)),
      charge_(identity::Charge<identity::Kept::OpenFiles>::take_anyway(identity::current_payer())) {}

Result<> File::check_room() {
  const identity::Bound& bound = identity::bound_of(identity::Kept::OpenFiles);
  const uint64_t open = identity::total_of(identity::Kept::OpenFiles);
  if (open + bound.reserve < bound.of_all) return {};
  if (open < bound.of_all && identity::current_payer().is_root()) return {};
  return Error(Errno::Nfile);
}

File::~File() {
  if (inode() != nullptr) release_locks(*inode(), *this);
}

Result<size_t> File::read(IoBuffer&, uint64_t*) { return Error(Errno::Inval); }
Result<size_t> File::write(IoBuffer&, uint64_t*) { return Error(Errno::Inval); }
Result<uint64_t> File::seek(int64_t, int) { return Error(Errno::Spipe); }
Result<uint64_t> File::control(uint32_t, uint64_t) { return Error(Errno::NotTty); }
Result<> File::truncate(uint64_t) { return Error(Errno::Inval); }
Result<> File::allocate(uint32_t, uint64_t, uint64_t) { return Error(Errno::NoDev); }
Result<> File::read_directory(DirectorySink&) { return Error(Errno::NotDir); }
Result<Ref<vm::MemoryObject>> File::memory_object() { return Error(Errno::NoDev); }

PollEvents File::poll(Poller*) {
  PollEvents ready = 0;
  if (readable()) ready |= kPollIn | kPollRdNorm;
  if (writable()) ready |= kPollOut | kPollWrNorm;
  return ready;
}

Result<> File::stat(Stat& into) {
  if (inode() != nullptr) inode()->stat(into);
  else into.mode = 0600;
  return {};
}

void File::set_status_flags(uint32_t changeable) {
  uint32_t old = flags_.load(std::memory_order_relaxed);
  while (!flags_.compare_exchange_weak(old, (old & ~kChangeable) | (changeable & kChangeable))) continue;
  status_flags_changed();
}

Result<uint64_t> SeekableFile::seek(int64_t wanted, int whence) {
  uint64_t base = 0;
  switch (whence) {
    case kSeekSet: break;
    case kSeekCurrent: base = offset; break;
    case kSeekEnd: base = end(); break;
    default: return Error(Errno::Inval);
  }
  int64_t position = 0;
  if (__builtin_add_overflow(static_cast<int64_t>(base), wanted, &position)) return Error(Errno::Overflow);
  if (position < 0) return Error(Errno::Inval);
  return static_cast<uint64_t>(position);
}

}  // namespace tine::file
