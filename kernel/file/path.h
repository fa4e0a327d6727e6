// SPDX-License-Identifier: BSD-2-Clause
// Path: a place in the tree of names: a mount and an entry (name) in it. Entries know their parent, so that a path can
// be written out (getcwd, /proc/PID/exe) also after a rename. Source: path_resolution(7).
#pragma once

#include <string_view>

#include "base/ref.h"
#include "base/result.h"
#include "mem/buffer.h"

namespace tine::file {

class Entry;   // file/entry.h: a name in a directory, with its inode
class Mount;   // file/mount.h
class Inode;   // file/inode.h

class Path {
 public:
  Path();
  Path(Ref<Mount> mount, Ref<Entry> entry);
  Path(const Path&);
  Path(Path&&) noexcept;
  Path& operator=(Path other) noexcept;
  ~Path();
  bool empty() const { return entry_ == nullptr; }
  Inode* inode() const;
  Mount* mount() const { return mount_.get(); }
  Entry* entry() const { return entry_.get(); }
  bool operator==(const Path&) const = default;

 private:
  Ref<Mount> mount_;
  Ref<Entry> entry_;
};

// The name of `path` as seen from `root`, into `buffer` (at most PATH_MAX); " (deleted)" is appended to unlinked ones,
// "(unreachable)" put before what is not below `root`, as Linux does.
Result<std::string_view> path_name(const Path& path, const Path& root, std::span<char> buffer);

// Whether `path` is `top` or something below it, on whatever mount.
bool lies_below(const Path& path, const Path& top);

}  // namespace tine::file
