// SPDX-License-Identifier: BSD-2-Clause
#include "file/path.h"

#include <cstring>

#include "file/entry.h"
#include "file/mount.h"

namespace tine::file {

Path::Path() = default;
Path::Path(Ref<Mount> mount, Ref<Entry> entry) : mount_(std::move(mount)), entry_(std::move(entry)) {}
Path::Path(const Path&) = default;
Path::Path(Path&&) noexcept = default;

// The entry goes first: its inode may need the file system, which the mount keeps.
Path::~Path() { entry_.reset(); }

// What was here goes with `other`, in that order too.
Path& Path::operator=(Path other) noexcept {
  mount_.swap(other.mount_);
  entry_.swap(other.entry_);
  return *this;
}

Inode* Path::inode() const { return entry_ == nullptr ? nullptr : &entry_->inode(); }

namespace {

// Text that grows towards the front of a buffer.
class BackwardText {
 public:
  explicit BackwardText(std::span<char> room) : room_(room), start_(room.size()) {}
  bool put(std::string_view text) {
    if (text.size() > start_) return false;
    start_ -= text.size();
    std::memcpy(room_.data() + start_, text.data(), text.size());
    return true;
  }
  size_t size() const { return room_.size() - start_; }
  std::string_view text() const { return {room_.data() + start_, size()}; }

 private:
  std::span<char> room_;
  size_t start_;
};

}  // namespace

Result<std::string_view> path_name(const Path& path, const Path& root, std::span<char> buffer) {
  if (path.empty()) return Error(Errno::NoEnt);
  BackwardText text(buffer);
  if (!text.put(std::string_view("\0", 1))) return Error(Errno::NameTooLong);
  if (path.entry()->removed() && !text.put(" (deleted)")) return Error(Errno::NameTooLong);

  sync::SpinGuard mounts_guard(mounts_lock);
  sync::SpinGuard entry_guard(entry_lock);
  const Mount* mount = path.mount();
  const Entry* entry = path.entry();
  bool unreachable = false;
  bool named = false;
  while (mount != root.mount() || entry != root.entry()) {
    if (entry == &mount->root()) {
      if (mount->point_ == nullptr) {
        unreachable = true;
        break;
      }
      entry = mount->point_.get();
      mount = mount->parent_.get();
      continue;
    }
    if (!text.put(entry->name_locked()) || !text.put("/")) return Error(Errno::NameTooLong);
    named = true;
    entry = entry->parent_locked();
    if (entry == nullptr) {      // an entry without a place: memfd_create(2) and the like
      unreachable = false;
      break;
    }
  }
  if (!named && !text.put("/")) return Error(Errno::NameTooLong);
  if (unreachable && !text.put("(unreachable)")) return Error(Errno::NameTooLong);
  return text.text().substr(0, text.size() - 1);
}

bool lies_below(const Path& path, const Path& top) {
  sync::SpinGuard mounts_guard(mounts_lock);
  sync::SpinGuard entry_guard(entry_lock);
  const Mount* mount = path.mount();
  const Entry* entry = path.entry();
  while (entry != nullptr && (mount != top.mount() || entry != top.entry())) {
    if (entry == &mount->root()) {
      entry = mount->point_.get();
      mount = mount->parent_.get();
    } else {
      entry = entry->parent_locked();
    }
  }
  return entry != nullptr;
}

}  // namespace tine::file
