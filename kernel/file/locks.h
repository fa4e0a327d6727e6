// SPDX-License-Identifier: BSD-2-Clause
// Advisory locks: record locks of fcntl(2), owned by a descriptor table, or by an open file (F_OFD_*); and flock(2)'s
// whole-file locks, owned by an open file. An inode has none of this until the first lock is set.
// However many locks a file has, one that conflicts is found in O(log n) (lock_tree.h). Locks: a mutex for each file, taken
// without other locks of file/; under it, where a thread is going to wait, blocked_mutex, one for all files: deadlock detection
// follows the waiters from file to file. Source: fcntl(2), flock(2).
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>

#include "base/result.h"
#include "file/lock_owner.h"

namespace tine::file {

class Inode;
class FileLocks;

enum class LockType : uint8_t { Read, Write, Unlock };

struct RecordLock {
  LockType type = LockType::Unlock;
  uint64_t first = 0, last = ~uint64_t{0};    // inclusive
  int32_t pid = 0;                            // what F_GETLK says; -1 for open file descriptions
};

enum class LockWait : uint8_t { Never, Yes };
// Locks or unlocks a range. Errors: Again when it conflicts and `wait` is Never; Deadlk when waiting could never end
// (owners that are tables only); RestartSys when a signal came; NoMem.
Result<> set_record_lock(Inode& inode, LockOwner& owner, const RecordLock& lock, LockWait wait);
// A lock of somebody else that keeps `owner` from having `lock`.
std::optional<RecordLock> find_conflict(Inode& inode, const LockOwner& owner, const RecordLock& lock);

// flock(2).
Result<> set_file_lock(Inode& inode, LockOwner& owner, LockType type, LockWait wait);

// The owner closes the inode: all its locks there go.
void release_locks(Inode& inode, LockOwner& owner);

// What an inode has of all this, when it goes.
void delete_locks(FileLocks* locks);

}  // namespace tine::file
