// SPDX-License-Identifier: BSD-2-Clause
// There are a handful of mounts, so the table is a list; lookups ask it only at entries that something is mounted on.
#include "file/mount.h"

#include "base/late.h"
#include "file/mount_changes.h"

namespace tine::file {

constinit sync::Spinlock mounts_lock{"mounts"};

// Gives the functions of this file access to a mount's place.
struct MountTable {
  using List = boost::intrusive::list<Mount, boost::intrusive::constant_time_size<false>>;
  Late<List> list GUARDED_BY(mounts_lock);
  Mount* root GUARDED_BY(mounts_lock) = nullptr;   // the list's reference keeps it
  bool made GUARDED_BY(mounts_lock) = false;
  std::atomic<uint32_t> next_id{1};

  List& all() REQUIRES(mounts_lock) {
    if (!made) list.construct(), made = true;
    return *list;
  }
  Mount* find(const Mount* parent, const Entry* point) REQUIRES(mounts_lock) {
    for (Mount& mount : all())
      if (mount.point_.get() == point && mount.parent_.get() == parent) return &mount;
    return nullptr;
  }
  void link(Ref<Mount> mount, const Path& where) REQUIRES(mounts_lock) {
    mount->parent_ = Ref<Mount>(where.mount());
    mount->point_ = Ref<Entry>(where.entry());
    where.entry()->mounts.fetch_add(1, std::memory_order_release);
    all().push_back(*mount.detach());
  }
  // What must be released once the lock is dropped.
  struct Unlinked {
    Ref<Mount> self, parent;
    Ref<Entry> point;
  };
  Unlinked unlink(Mount& mount) REQUIRES(mounts_lock) {
    mount.point_->mounts.fetch_sub(1, std::memory_order_release);
    all().erase(all().iterator_to(mount));
    return {Ref<Mount>(&mount, /*add_ref=*/false), std::move(mount.parent_), std::move(mount.point_)};
  }
  bool has_children(const Mount& mount) REQUIRES(mounts_lock) {
    for (Mount& other : all())
      if (other.parent_.get() == &mount) return true;
    return false;
  }
  // A mount on something that is itself no longer attached, or null.
  Mount* find_stranded() REQUIRES(mounts_lock) {
    for (Mount& mount : all())
      if (mount.parent_ != nullptr && mount.parent_.get() != root && mount.parent_->point_ == nullptr) return &mount;
    return nullptr;
  }
  bool in_tree(const Mount& mount) REQUIRES(mounts_lock) { return &mount == root || attached(mount); }
  static bool attached(const Mount& mount) REQUIRES(mounts_lock) { return mount.point_ != nullptr; }
  static const Mount* parent_of(const Mount& mount) REQUIRES(mounts_lock) { return mount.parent_.get(); }
  static Path point_of(const Mount& mount) REQUIRES(mounts_lock) { return Path(mount.parent_, mount.point_); }
};

namespace {

constinit MountTable table{};

// The caller holds the names_lock there: the entry is not removed before the mount is on it.
Result<> check_place(const Mount& mount, const Path& where) REQUIRES(mounts_lock) {
  if (!table.in_tree(*where.mount())) return Error(Errno::Inval);
  if (where.entry()->removed()) return Error(Errno::NoEnt);
  if (mount.root().inode().is_directory() != where.inode()->is_directory()) return Error(Errno::NotDir);
  return {};
}

}  // namespace

namespace {
constinit std::atomic<uint64_t> change_count{0};
Late<sched::WaitQueue> changes;
constinit std::atomic<bool> changes_made{false};
}  // namespace

sched::WaitQueue& mount_changes() { return *changes; }
uint64_t mount_change_count() { return change_count.load(); }
void note_mount_change() {
  change_count.fetch_add(1);
  if (changes_made.load(std::memory_order_acquire)) changes->wake_all();
}

Result<Ref<Mount>> Mount::make(Ref<FileSystem> file_system, Ref<Entry> root, std::string_view source, uint32_t flags) {
  Name name = TRY(Name::make(source));
  return mem::make_ref<Mount>(std::move(file_system), std::move(root), std::move(name), flags);
}

Mount::Mount(Ref<FileSystem> file_system, Ref<Entry> root, Name source, uint32_t flags)
    : flags(flags), file_system_(std::move(file_system)), root_(std::move(root)), source_(std::move(source)),
      id_(table.next_id.fetch_add(1, std::memory_order_relaxed)) {
  file_system_->mount_count.fetch_add(1, std::memory_order_relaxed);
}

Mount::~Mount() {
  if (file_system_->mount_count.fetch_sub(1, std::memory_order_acq_rel) == 1) file_system_->shut_down();
}

Path Mount::mount_point() const {
  sync::SpinGuard guard(mounts_lock);
  return MountTable::point_of(*this);
}

void set_root_mount(Ref<Mount> mount) {
  if (!changes_made.load()) changes.construct("mount changes");   // boot: nobody else is there
  changes_made.store(true, std::memory_order_release);
  sync::SpinGuard guard(mounts_lock);
  table.root = mount.get();
  table.all().push_back(*mount.detach());
}

Path root_of_everything() {
  Ref<Mount> root;
  {
    sync::SpinGuard guard(mounts_lock);
    root = Ref<Mount>(table.root);
  }
  return root == nullptr ? Path() : cross_mounts(root->root_path());
}

Result<> attach(Ref<Mount> mount, const Path& where) {
  {
    sync::MutexGuard names_guard(where.inode()->file_system.names_lock);
    sync::SpinGuard guard(mounts_lock);
    TRY(check_place(*mount, where));
    table.link(std::move(mount), where);
  }
  note_mount_change();
  return {};
}

Result<> detach(Mount& mount, Detach how, uint32_t users) {
  MountTable::Unlinked unlinked;
  {
    sync::SpinGuard guard(mounts_lock);
    if (!table.attached(mount)) return Error(Errno::Inval);
    if (how == Detach::IfUnused && (table.has_children(mount) || mount.ref_count() > users + 1)) return Error(Errno::Busy);
    unlinked = table.unlink(mount);
  }
  // A lazily detached mount takes along what is mounted on it.
  while (how == Detach::Lazily) {
    MountTable::Unlinked child;   // released after the guard
    sync::SpinGuard guard(mounts_lock);
    Mount* stranded = table.find_stranded();
    if (stranded == nullptr) break;
    child = table.unlink(*stranded);
  }
  note_mount_change();
  return {};
}

Result<> move_mount(Mount& mount, const Path& where) {
  MountTable::Unlinked unlinked;
  {
    sync::MutexGuard names_guard(where.inode()->file_system.names_lock);
    sync::SpinGuard guard(mounts_lock);
    TRY(check_place(mount, where));
    if (!table.attached(mount)) return Error(Errno::Inval);
    for (const Mount* up = where.mount(); up != nullptr; up = table.parent_of(*up))
      if (up == &mount) return Error(Errno::Loop);
    unlinked = table.unlink(mount);
    table.link(unlinked.self, where);
  }
  note_mount_change();
  return {};
}

Path cross_mounts(Path path) {
  while (!path.empty() && path.entry()->mounts.load(std::memory_order_acquire) != 0) {
    Ref<Mount> mounted;
    {
      sync::SpinGuard guard(mounts_lock);
      mounted = Ref<Mount>(table.find(path.mount(), path.entry()));
    }
    if (mounted == nullptr) break;
    path = mounted->root_path();
  }
  return path;
}

bool cross_to_mount_point(Path& path) {
  while (path.entry() == &path.mount()->root()) {
    Path point = path.mount()->mount_point();
    if (point.empty()) return false;
    path = std::move(point);
  }
  return true;
}

bool is_mount_point(const Entry& entry) { return entry.mounts.load(std::memory_order_acquire) != 0; }

Ref<Mount> next_mount(uint32_t after) {
  sync::SpinGuard guard(mounts_lock);
  Mount* next = nullptr;
  for (Mount& mount : table.all())
    if (mount.id() > after && (next == nullptr || mount.id() < next->id())) next = &mount;
  return Ref<Mount>(next);
}

}  // namespace tine::file
