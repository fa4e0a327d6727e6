// SPDX-License-Identifier: BSD-2-Clause
// What is counted for each real user id: all kinds of identity/kept.h, among them processes and threads (RLIMIT_NPROC,
// seed row L4). Counts change through identity/charge.h.
// Records live in a hash table while anybody refers to them. Lock: user table spinlock, a leaf.
#pragma once

#include <atomic>
#include <boost/intrusive/unordered_set_hook.hpp>

#include "base/ref.h"
#include "base/result.h"
#include "identity/credentials.h"
#include "identity/kept.h"

namespace tine::identity {

class UserRecord : public RefCounted<UserRecord>,
                   public mem::FromCache<UserRecord>,
                   public boost::intrusive::unordered_set_base_hook<> {
 public:
  explicit UserRecord(Uid uid) : uid(uid) {}
  ~UserRecord();
  const Uid uid;
  uint64_t held(Kept kind) const { return counts_[static_cast<size_t>(kind)].load(std::memory_order_relaxed); }
  std::atomic<uint64_t>& count_of(Kept kind) { return counts_[static_cast<size_t>(kind)]; }   // for identity/charge.h
  // Bytes of kernel memory that go when the user's processes have ended: all but the lasting kinds.
  uint64_t bytes_kept_for_processes() const;

  // For process/out_of_memory.cpp, under its mutex: what it has found the user to hold.
  struct Weighing {
    uint64_t look = 0, pages = 0;
  } weighing;

 private:
  std::atomic<uint64_t> counts_[kKeptKinds] = {};
};

Result<Ref<UserRecord>> find_or_make_user(Uid uid);
// The user with the smallest id >= `uid` of whom anything is counted or known; null: none.
Ref<UserRecord> next_user(Uid uid);

}  // namespace tine::identity
