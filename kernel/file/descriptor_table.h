// SPDX-License-Identifier: BSD-2-Clause
// DescriptorTable: descriptors of a process. One table object is shared by threads and by rfork/clone with shared
// files; a forked child gets a table object of its own over the same radix tree (R1.3), copied on write. Seed rows
// R1-R4, R12. Lock: the table's spinlock; files are released after it is dropped, since a last release may sleep.
#pragma once

#include "base/ref.h"
#include "base/result.h"
#include "file/descriptor_tree.h"
#include "file/file.h"
#include "mem/object_cache.h"
#include "sync/spinlock.h"

namespace tine::file {

inline constexpr unsigned kMaxDescriptors = 1u << 20;

class DescriptorTable : public RefCounted<DescriptorTable>,
                        public mem::FromCache<DescriptorTable>,
                        public LockOwner {                         // of fcntl(2)'s record locks
 public:
  DescriptorTable() { detects_deadlocks = true; }
  static Result<Ref<DescriptorTable>> create();                  // empty (RFCFDG)
  Result<Ref<DescriptorTable>> fork();                           // O(1): shares the tree by its root (RFFDG)
  ~DescriptorTable();

  Result<Ref<File>> get(int descriptor) const;                   // BadF
  bool close_on_exec(int descriptor) const;
  Result<> set_close_on_exec(int descriptor, bool value);
  // Lowest free descriptor >= least and < limit (RLIMIT_NOFILE). Mfile when there is none.
  Result<int> install(Ref<File> file, bool close_on_exec, unsigned limit, int least = 0);
  // Mfile if install() would find none now.
  Result<> check_free(unsigned limit) const;
  Result<> install_at(int descriptor, Ref<File> file, bool close_on_exec, unsigned limit);  // dup2: replaces silently
  // close(2): BadF. Like all that changes the table, NoMem when it shares a part with a forked one, and then it does nothing.
  Result<Ref<File>> remove(int descriptor);
  Result<> close_range(unsigned first, unsigned last);
  Result<> set_close_on_exec_range(unsigned first, unsigned last);
  Result<> close_all();
  // execve: closes what is marked. Cost is in proportion to what is closed.
  Result<> close_marked();
  unsigned count() const;
  // The next used descriptor >= from, or -1: for /proc/PID/fd and the like.
  int next_used(int from) const;

  using Tree = DescriptorTree<Ref<File>>;
  Tree snapshot() const;                                         // O(1); for the audit

 private:
  // A file has been closed here: its record locks go with any of its descriptors.
  void release_record_locks(const Ref<File>& file);
  void release_record_locks(const Tree& closed);
  Result<> replace(Result<Tree> (*change)(const Tree& tree, unsigned first, unsigned last), unsigned first, unsigned last);

  mutable sync::Spinlock lock_{"descriptor table"};
  Tree tree_ GUARDED_BY(lock_);
};

}  // namespace tine::file
