// SPDX-License-Identifier: BSD-2-Clause
#include "file/memory_file.h"

#include "base/format.h"
#include "file/mount.h"
#include "file/tmpfs.h"

namespace tine::file {
namespace {

constexpr size_t kLongestName = 249;    // NAME_MAX less "memfd:"

// The inode if it is one that can have seals.
Result<TmpfsRegular*> sealable(File& file) {
  Inode* inode = file.inode();
  if (inode == nullptr || !inode->is_regular()) return Error(Errno::Inval);
  if (!inode->has_seals()) return Error(Errno::Inval);
  return static_cast<TmpfsRegular*>(inode);
}

}  // namespace

Result<Ref<File>> make_memory_file(std::string_view name, Sealing sealing, const identity::Credentials& owner) {
  if (name.size() > kLongestName) return Error(Errno::Inval);
  char text[kNameMax + 1];
  const std::string_view full = format(text, "memfd:%.*s", static_cast<int>(name.size()), name.data());
  auto& tmpfs = static_cast<Tmpfs&>(hidden_mount().file_system());
  Ref<Inode> inode =
      TRY(tmpfs.make_inode({.mode = mode_of(FileType::Regular) | 0777, .uid = owner.fsuid, .gid = owner.fsgid}));
  inode->links = 0;
  if (sealing == Sealing::Allowed) static_cast<TmpfsRegular&>(*inode).seals = 0;
  Ref<Entry> entry = TRY(Entry::make(nullptr, full, inode));
  entry->mark_removed();
  return inode->open(Path(Ref<Mount>(&hidden_mount()), std::move(entry)), kReadWrite | kLargeFile);
}

Result<> add_seals(File& file, uint32_t seals) {
  constexpr uint32_t kAll = TmpfsRegular::kSealSeal | TmpfsRegular::kSealShrink | TmpfsRegular::kSealGrow |
                            TmpfsRegular::kSealWrite | TmpfsRegular::kSealFutureWrite;
  if (seals & ~kAll) return Error(Errno::Inval);
  TmpfsRegular* inode = TRY(sealable(file));
  if (!file.writable()) return Error(Errno::Perm);
  sync::MutexGuard guard(inode->lock);
  if (inode->seals & TmpfsRegular::kSealSeal) return Error(Errno::Perm);
  if (seals & TmpfsRegular::kSealWrite && !(inode->seals & TmpfsRegular::kSealWrite) &&
      inode->object().writable_mappings() != 0)
    return Error(Errno::Busy);
  inode->seals |= seals;
  return {};
}

Result<uint32_t> get_seals(File& file) { return TRY(sealable(file))->seals.load(); }

}  // namespace tine::file
