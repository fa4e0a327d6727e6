// SPDX-License-Identifier: BSD-2-Clause
// Inode: a file of a file system, under whatever names. File systems derive from it and override what they can do; the
// checks that are the same everywhere (permissions, types, mount flags, sticky bits) are made by the callers in
// file/lookup.h, file/names.h, file/attributes.h and file/open.h. Source: inode(7).
// Locks: names_lock of the file system (changes of names), then Inode::lock (contents and size of a regular file, changes of
// attributes), then the locks inside (page stores, name tables). See file/README.md. Attributes are atomics: readers
// take no lock.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/ref.h"
#include "base/result.h"
#include "base/units.h"
#include "file/path.h"
#include "identity/access.h"
#include "sched/wait_queue.h"
#include "sync/mutex.h"
#include "sync/spinlock.h"

namespace tine::vm {
class MemoryObject;
}

namespace tine::file {

class File;
class FileSystem;
class FileLocks;

// A type is both the top digit of st_mode and the DT_ value of getdents64.
enum class FileType : uint8_t {
  Unknown = 0, Fifo = 1, Character = 2, Directory = 4, Block = 6, Regular = 8, Symlink = 10, Socket = 12,
};
inline constexpr uint32_t kModeTypeShift = 12, kModeTypeMask = 0170000, kModeSetUid = 04000, kModeSetGid = 02000,
                          kModeSticky = 01000, kModePermissions = 07777;
constexpr uint32_t mode_of(FileType type) { return static_cast<uint32_t>(type) << kModeTypeShift; }
constexpr FileType type_of(uint32_t mode) { return static_cast<FileType>((mode & kModeTypeMask) >> kModeTypeShift); }

using DeviceNumber = uint64_t;   // Linux's encoding of dev_t
constexpr DeviceNumber device_number(uint32_t major, uint32_t minor) {
  return (minor & 0xff) | uint64_t{major & 0xfff} << 8 | uint64_t{minor & ~0xffu} << 12 | uint64_t{major & ~0xfffu} << 32;
}
constexpr uint32_t major_of(DeviceNumber device) { return (device >> 8 & 0xfff) | (device >> 32 & ~0xfffu); }
constexpr uint32_t minor_of(DeviceNumber device) { return (device & 0xff) | (device >> 12 & ~0xffu); }

inline constexpr size_t kNameMax = 255, kPathMax = 4096;   // NAME_MAX; PATH_MAX, with the terminating 0

// What stat(2) and statx(2) tell. Times are ns since 1970.
struct Stat {
  DeviceNumber device = 0, special_device = 0;
  uint64_t inode = 0;
  uint32_t mode = 0;
  uint32_t links = 1;
  identity::Uid uid = 0;
  identity::Gid gid = 0;
  uint64_t size = 0;
  uint32_t block_size = 4096;
  uint64_t blocks = 0;   // of 512 bytes
  Nanoseconds accessed = 0, modified = 0, changed = 0, born = 0;
};

// Takes directory entries one by one; false: no room for this one, stop. It may touch user memory: call it without
// spinlocks.
class DirectorySink {
 public:
  // `next`: the offset from which reading goes on after this entry.
  virtual bool add(std::string_view name, uint64_t inode, FileType type, uint64_t next) = 0;

 protected:
  ~DirectorySink() = default;
};

// What to make: for Inode::make.
struct NewInode {
  uint32_t mode = 0;                  // type and permissions
  identity::Uid uid = 0;
  identity::Gid gid = 0;
  DeviceNumber device = 0;            // Character, Block
  std::string_view target = {};       // Symlink
};

// Something that a special file leads to: the pipe of a FIFO, the socket that is bound to a name.
class Attachment : public RefCounted<Attachment> {
 public:
  virtual ~Attachment() = default;
};

// What wakes Inode::changes: the NOTE_ bits of kqueue(2)'s EVFILT_VNODE.
enum InodeChange : uint32_t {
  kInodeDeleted = 0x01, kInodeWritten = 0x02, kInodeExtended = 0x04, kInodeAttributes = 0x08, kInodeLinked = 0x10,
  kInodeRenamed = 0x20, kInodeTruncated = 0x80,
};

class Inode : public RefCounted<Inode> {
 public:
  Inode(FileSystem& file_system, uint64_t number, uint32_t mode, identity::Uid uid, identity::Gid gid);
  virtual ~Inode();

  // --- Attributes ---
  FileSystem& file_system;            // outlives the inode: whoever holds an inode holds its mount too
  const uint64_t number;
  const FileType type;
  std::atomic<uint32_t> mode;         // with the type
  std::atomic<identity::Uid> uid;
  std::atomic<identity::Gid> gid;
  std::atomic<uint32_t> links{1};
  std::atomic<bool> may_get_name{false};   // made by O_TMPFILE, without a name until now; one change, under names_lock
  std::atomic<Nanoseconds> accessed, modified, changed, born;
  DeviceNumber device = 0;            // Character, Block

  bool is_directory() const { return type == FileType::Directory; }
  bool is_regular() const { return type == FileType::Regular; }
  bool is_symlink() const { return type == FileType::Symlink; }
  identity::Ownership ownership() const { return {uid, gid, mode, is_directory()}; }
  // As they belong together, while somebody may be changing them (chown(2) changes all three). Takes `lock`.
  identity::Ownership settled_ownership() const;
  bool allows(const identity::Credentials& who, identity::AccessMask wanted) const {
    return identity::may_access(who, ownership(), wanted);
  }
  void touch_accessed();              // relatime(8)'s rule
  void touch_modified();              // contents: mtime and ctime
  void touch_changed();               // attributes: ctime

  virtual uint64_t size() const { return 0; }
  virtual void stat(Stat& into) const;
  // chmod, chown, utimensat may change the attributes: Perm where they are made up.
  virtual Result<> may_change_attributes() const { return {}; }

  // --- Directories. `here`: this directory's entry. Changes are made under names_lock. ---
  virtual Result<Ref<Entry>> lookup(Entry& here, std::string_view name);           // NoEnt
  virtual Result<Ref<Entry>> make(Entry& here, std::string_view name, const NewInode& what);
  virtual Result<> link(Entry& here, std::string_view name, Inode& target);
  virtual Result<> unlink(Entry& here, Entry& victim);                             // also rmdir: NotEmpty
  // `replaced` may be null; when `exchange`, the two change places instead.
  virtual Result<> rename(Entry& here, Entry& moved, Entry& to, std::string_view name, Entry* replaced, bool exchange);
  virtual Result<Ref<Inode>> make_unnamed(const NewInode& what);                   // O_TMPFILE
  // Gives the entries from `offset` on, "." and ".." not included; stops when the sink is full.
  virtual Result<> iterate(Entry& here, uint64_t offset, DirectorySink& sink);

  // --- Symbolic links: text, or (magic links of /proc) directly a place. ---
  virtual Result<std::string_view> read_link(std::span<char> into);
  virtual Result<Path> follow();                                                   // empty: go by the text

  // --- Contents ---
  virtual Result<Ref<File>> open(const Path& path, uint32_t flags);                // regular files
  virtual Result<> truncate(uint64_t size);
  virtual Result<Ref<vm::MemoryObject>> memory_object();
  virtual bool has_seals() const { return false; }       // F_ADD_SEALS: file/memory_file.h
  virtual bool is_open_file() const { return false; }   // made up for an open file without a place: file/open.h

  // The pipe or socket behind a special file; the first one attached stays until the inode goes.
  Ref<Attachment> attachment() const;
  Ref<Attachment> attach(Ref<Attachment> candidate);

  // For those who watch the file; costs one load when nobody does.
  void tell_change(uint32_t what) {
    if (changes.has_waiters()) [[unlikely]] changes.wake_all(what);
  }
  sched::WaitQueue changes{"inode changes"};

  mutable sync::Mutex lock{"inode"};
  std::atomic<FileLocks*> locks{nullptr};        // file/locks.h; made with the first lock

 private:
  mutable sync::Spinlock attachment_lock_{"inode attachment"};
  Ref<Attachment> attachment_ GUARDED_BY(attachment_lock_);
};

}  // namespace tine::file
