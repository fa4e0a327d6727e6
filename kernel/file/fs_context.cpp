// SPDX-License-Identifier: BSD-2-Clause
#include "file/fs_context.h"

namespace tine::file {

Result<Ref<FsContext>> FsContext::clone() const { return mem::make_ref<FsContext>(root(), working_directory(), umask()); }

Path FsContext::root() const {
  sync::SpinGuard guard(lock_);
  return root_;
}

Path FsContext::working_directory() const {
  sync::SpinGuard guard(lock_);
  return working_directory_;
}

// The old path is let go after the lock: its inode may be the last of a removed file.
void FsContext::set_root(Path path) {
  sync::SpinGuard guard(lock_);
  std::swap(root_, path);
}

void FsContext::set_working_directory(Path path) {
  sync::SpinGuard guard(lock_);
  std::swap(working_directory_, path);
}

}  // namespace tine::file
