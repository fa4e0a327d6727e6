// SPDX-License-Identifier: BSD-2-Clause
// FsContext: root, working directory and umask of a process; shared by CLONE_FS, copied (three words) by fork.
// Seed row C11. Lock: its own spinlock.
#pragma once

#include <atomic>

#include "base/ref.h"
#include "file/path.h"
#include "mem/object_cache.h"
#include "sync/spinlock.h"

namespace tine::file {

class FsContext : public RefCounted<FsContext>, public mem::FromCache<FsContext> {
 public:
  FsContext(Path root, Path working_directory, uint16_t umask)
      : umask_(umask), root_(std::move(root)), working_directory_(std::move(working_directory)) {}
  Result<Ref<FsContext>> clone() const;
  Path root() const;
  Path working_directory() const;
  void set_root(Path path);
  void set_working_directory(Path path);
  uint16_t umask() const { return umask_.load(std::memory_order_relaxed); }
  uint16_t exchange_umask(uint16_t mask) { return umask_.exchange(mask & 0777); }

 private:
  mutable sync::Spinlock lock_{"fs context"};
  std::atomic<uint16_t> umask_;
  Path root_ GUARDED_BY(lock_);
  Path working_directory_ GUARDED_BY(lock_);
};

}  // namespace tine::file
