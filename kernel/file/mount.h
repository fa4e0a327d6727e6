// SPDX-License-Identifier: BSD-2-Clause
// Mount: a file system (or, for bind mounts, a part of one) shown at an entry of another mount. All mounts stand in one
// table keyed by where they are mounted. Source: mount(2), umount(2).
// Lock: mounts_lock, a spinlock, before entry_lock. Parent and mount point are fixed while the mount is attached.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>
#include <string_view>

#include "base/ref.h"
#include "base/result.h"
#include "file/entry.h"
#include "file/file_system.h"
#include "file/path.h"
#include "mem/object_cache.h"
#include "sync/spinlock.h"

namespace tine::file {

extern sync::Spinlock mounts_lock;

// Linux's ST_ values, which are also MS_'s for the first four.
enum MountFlag : uint32_t {
  kMountReadOnly = 1, kMountNoSuid = 2, kMountNoDev = 4, kMountNoExec = 8, kMountSynchronous = 16,
  kMountNoAtime = 1024, kMountNoDirAtime = 2048, kMountRelAtime = 4096,
};

class Mount final : public RefCounted<Mount>,
                    public mem::FromCache<Mount>,
                    public boost::intrusive::list_base_hook<> {
 public:
  // Shows `root` of `file_system`; not attached to anything yet. NoMem, NameTooLong.
  static Result<Ref<Mount>> make(Ref<FileSystem> file_system, Ref<Entry> root, std::string_view source, uint32_t flags);
  Mount(Ref<FileSystem> file_system, Ref<Entry> root, Name source, uint32_t flags);
  ~Mount();

  FileSystem& file_system() const { return *file_system_; }
  Entry& root() const { return *root_; }
  Path root_path() { return Path(Ref<Mount>(this), root_); }
  std::string_view source() const { return source_.view(); }
  bool has(MountFlag flag) const { return flags.load(std::memory_order_relaxed) & flag; }
  uint32_t id() const { return id_; }

  // Where it is mounted; empty for the first root and for what has been unmounted.
  Path mount_point() const;

  std::atomic<uint32_t> flags;

 private:
  friend struct MountTable;
  friend Result<std::string_view> path_name(const Path&, const Path&, std::span<char>);
  friend bool lies_below(const Path&, const Path&);
  const Ref<FileSystem> file_system_;
  const Ref<Entry> root_;
  const Name source_;
  const uint32_t id_;
  Ref<Mount> parent_ GUARDED_BY(mounts_lock);
  Ref<Entry> point_ GUARDED_BY(mounts_lock);
};

// Makes the first mount, the root of everything.
void set_root_mount(Ref<Mount> mount);
Path root_of_everything();

// Puts `mount` over `where`. NoEnt: that has been removed; Inval: it is on no attached mount; NotDir when directory and non-directory meet.
Result<> attach(Ref<Mount> mount, const Path& where);
// Takes a mount away: Busy while something uses it or is mounted on it, unless `lazily`. `users`: how many references
// the caller holds. Inval for the root of everything and what is not attached.
enum class Detach : uint8_t { IfUnused, Lazily };
Result<> detach(Mount& mount, Detach how, uint32_t users);
// Moves an attached mount. Inval when `where` is below it.
Result<> move_mount(Mount& mount, const Path& where);

// What is mounted on top of `path`, followed as far as it goes; `path` itself where nothing is.
Path cross_mounts(Path path);
// The place that the root of a mount covers, followed as far as it goes down; false: `path` is at the very root.
bool cross_to_mount_point(Path& path);
bool is_mount_point(const Entry& entry);

// Iterates over the attached mounts in order of their ids: the first with an id > `after`, or null.
Ref<Mount> next_mount(uint32_t after);

}  // namespace tine::file
