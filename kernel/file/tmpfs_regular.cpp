// SPDX-License-Identifier: BSD-2-Clause
// Regular files of tmpfs, and what is open on them.
#include "file/file.h"
#include "file/open_file.h"
#include "file/tmpfs.h"
#include "vm/writable_mapping.h"

namespace tine::file {
namespace {

constexpr int kSeekData = 3, kSeekHole = 4;
constexpr uint32_t kAllocateKeepSize = 1, kAllocatePunchHole = 2, kAllocateZeroRange = 16;

// Lock: the inode's for everything that changes contents or size.
class OpenRegular final : public SeekableFile, public mem::FromCache<OpenRegular> {
 public:
  OpenRegular(uint32_t flags, Path path) : SeekableFile(flags, std::move(path)) {}

  Result<size_t> read(IoBuffer& into, uint64_t* offset) override {
    const Result<size_t> done = regular().object().read(into, *offset);
    if (done && !(flags() & kNoAtime)) regular().touch_accessed();
    return done;
  }

  Result<size_t> write(IoBuffer& from, uint64_t* offset) override {
    TmpfsRegular& inode = regular();
    sync::MutexGuard guard(inode.lock);
    if (flags() & kAppend) *offset = inode.size();
    if (from.remaining() == 0) return 0;
    if (inode.write_sealed()) return Error(Errno::Perm);
    if (*offset + from.remaining() > inode.size() && inode.seals & TmpfsRegular::kSealGrow) return Error(Errno::Perm);
    const uint64_t size_before = inode.size();
    const Result<size_t> done = inode.object().write(from, *offset);
    if (done) inode.touch_modified();
    if (inode.size() > size_before) inode.tell_change(kInodeExtended);
    return done;
  }

  Result<uint64_t> seek(int64_t offset, int whence) override REQUIRES(offset_lock) {
    if (whence != kSeekData && whence != kSeekHole) return SeekableFile::seek(offset, whence);
    if (offset < 0) return Error(Errno::Nxio);
    FileObject& object = regular().object();
    return whence == kSeekData ? object.next_data(offset) : object.next_hole(offset);
  }

  Result<> truncate(uint64_t size) override { return regular().truncate(size); }

  Result<> allocate(uint32_t mode, uint64_t offset, uint64_t length) override {
    TmpfsRegular& inode = regular();
    const bool keep_size = mode & kAllocateKeepSize;
    sync::MutexGuard guard(inode.lock);
    if (mode & (kAllocatePunchHole | kAllocateZeroRange) && inode.write_sealed()) return Error(Errno::Perm);
    if (mode == (kAllocatePunchHole | kAllocateKeepSize)) {
      TRY(inode.object().punch_hole(offset, length));
      inode.touch_modified();
      return {};
    }
    if (mode & ~(kAllocateKeepSize | kAllocateZeroRange)) return Error(Errno::OpNotSupp);
    if (!keep_size && offset + length > inode.size()) TRY(inode.check_resize(offset + length));
    if (mode & kAllocateZeroRange) TRY(inode.object().punch_hole(offset, length));
    TRY(inode.object().allocate(offset, length));
    if (!keep_size && offset + length > inode.size()) TRY(inode.object().resize(offset + length));
    inode.touch_modified();
    return {};
  }

  Result<Ref<vm::MemoryObject>> memory_object() override {
    regular().object().remember_name(path());
    return regular().memory_object();
  }

  // Counted under the lock under which F_SEAL_WRITE asks for the count, so none slips past the seal.
  Result<Ref<vm::MemoryObject>> writable_memory_object() override {
    Ref<vm::MemoryObject> object = TRY(memory_object());
    TmpfsRegular& inode = regular();
    sync::MutexGuard guard(inode.lock);
    if (inode.write_sealed()) return Error(Errno::Perm);
    return Ref<vm::MemoryObject>(TRY(mem::make_ref<vm::WritableMapping>(std::move(object))));
  }

 private:
  TmpfsRegular& regular() const { return static_cast<TmpfsRegular&>(*inode()); }
};

}  // namespace

Result<> TmpfsRegular::make_object(Tmpfs& tmpfs) {
  object_ = TRY(mem::make_ref<FileObject>(tmpfs.quota(), vm::MemoryObject::Identity{tmpfs.device, number},
                                          identity::current_payer()));
  return {};
}

void TmpfsRegular::stat(Stat& into) const {
  Inode::stat(into);
  into.blocks = object_->page_count() * (mem::kPageSize / 512);
}

Result<Ref<File>> TmpfsRegular::open(const Path& path, uint32_t flags) {
  return Ref<File>(TRY(mem::make_ref<OpenRegular>(flags, path)));
}

Result<> TmpfsRegular::check_resize(uint64_t size) const {
  if (size < this->size() && seals & kSealShrink) return Error(Errno::Perm);
  if (size > this->size() && seals & kSealGrow) return Error(Errno::Perm);
  return {};
}

Result<> TmpfsRegular::truncate(uint64_t size) {
  sync::MutexGuard guard(lock);
  TRY(check_resize(size));
  const bool shorter = size < object_->size();
  TRY(object_->resize(size));
  touch_modified();
  if (shorter) tell_change(kInodeTruncated);
  return {};
}

Result<Ref<vm::MemoryObject>> TmpfsRegular::memory_object() { return Ref<vm::MemoryObject>(object_); }

}  // namespace tine::file
