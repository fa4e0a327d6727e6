// SPDX-License-Identifier: BSD-2-Clause
// tmpfs: a file system in memory; the root, /tmp, /dev and what memfd_create makes. Directories keep their entries in a
// NameTable, regular files their pages in a FileObject. Source: tmpfs(5).
// What it keeps is bounded twice: for the file system by size= and nr_inodes=, where a further link to a file counts as an
// inode as on Linux; and for the user who made it (identity/charge.h). Where the limits are the defaults, a part of each is
// root's.
// Locks: those of Inode; the table's and object's own.
#pragma once

#include "file/file_object.h"
#include "file/file_system.h"
#include "file/name_table.h"

namespace tine::file {

class Tmpfs : public FileSystem, public mem::FromCache<Tmpfs> {
 public:
  struct Options {
    uint64_t pages = 0;              // 0: half of memory
    uint64_t inodes = 0;             // 0: as many as half of memory has pages
    uint32_t mode = 01777;
    identity::Uid uid = 0;
    identity::Gid gid = 0;
  };
  static Result<Options> parse_options(std::string_view text);     // "size=10%,mode=755,uid=...": Inval
  static Result<Ref<Tmpfs>> make(const char* type_name, const Options& options);

  Tmpfs(const char* type_name, Ref<PageQuota> quota) : FileSystem(type_name), quota_(std::move(quota)) {}
  ~Tmpfs() override;
  Entry& root() override { return *root_; }
  void statistics(FileSystemStatistics& into) override;
  void shut_down() override;
  Result<> change_options(const Options& options);                 // mount -o remount,size=

  // An inode without a name, charged to this file system and to the running thread's user. NoSpc, NoMem.
  Result<Ref<Inode>> make_inode(const NewInode& what);
  // For one more link to an inode that has some, and when one of several goes. NoSpc.
  Result<> take_link();
  void give_back_link() { inodes_.give_back(1); }
  const Ref<PageQuota>& quota() const { return quota_; }

 private:
  friend class TmpfsPlace;
  const Ref<PageQuota> quota_;
  Quota inodes_;                     // and links to them but for the first
  Ref<Entry> root_;
};

// An inode's place in the count of its file system and in that of its user, as a token.
class TmpfsPlace {
 public:
  static Result<TmpfsPlace> take(Tmpfs& tmpfs);   // NoSpc
  TmpfsPlace(TmpfsPlace&& other) noexcept : tmpfs_(std::exchange(other.tmpfs_, nullptr)), charge_(std::move(other.charge_)) {}
  ~TmpfsPlace();

 private:
  using Charge = identity::Charge<identity::Kept::Inodes>;
  TmpfsPlace(Tmpfs* tmpfs, Charge charge) : tmpfs_(tmpfs), charge_(std::move(charge)) {}
  Tmpfs* tmpfs_;   // outlives its inodes
  Charge charge_;
};

class TmpfsInode : public Inode {
 public:
  TmpfsInode(Tmpfs& tmpfs, const NewInode& what, TmpfsPlace place)
      : Inode(tmpfs, tmpfs.next_inode_number(), what.mode, what.uid, what.gid), place_(std::move(place)) {}

 private:
  const TmpfsPlace place_;
};

class TmpfsRegular final : public TmpfsInode, public mem::FromCache<TmpfsRegular> {
 public:
  TmpfsRegular(Tmpfs& tmpfs, const NewInode& what, TmpfsPlace place) : TmpfsInode(tmpfs, what, std::move(place)) {}
  FileObject& object() const { return *object_; }
  Result<> make_object(Tmpfs& tmpfs);

  uint64_t size() const override { return object_->size(); }
  void stat(Stat& into) const override;
  Result<Ref<File>> open(const Path& path, uint32_t flags) override;
  Result<> truncate(uint64_t size) override;
  Result<Ref<vm::MemoryObject>> memory_object() override;
  bool has_seals() const override { return true; }

  // F_ADD_SEALS. Files other than memfd_create's are sealed against sealing.
  std::atomic<uint32_t> seals{kSealSeal};
  static constexpr uint32_t kSealSeal = 1, kSealShrink = 2, kSealGrow = 4, kSealWrite = 8, kSealFutureWrite = 16;
  Result<> check_resize(uint64_t size) const REQUIRES(lock);
  bool write_sealed() const { return seals & (kSealWrite | kSealFutureWrite); }

 private:
  Ref<FileObject> object_;
};

// The file system for what has no place: memfd_create(2), O_TMPFILE's like. Never mounted anywhere.
Mount& hidden_mount();
// Boot: registers "tmpfs" and "ramfs", makes the hidden mount.
Result<> init_tmpfs();

}  // namespace tine::file
