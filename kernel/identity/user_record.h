// SPDX-License-Identifier: BSD-2-Clause
// What is counted for each real user id: processes (RLIMIT_NPROC, seed row L4), pending real-time signals, and files in
// messages of sockets.
// Records live in a hash table while anybody refers to them. Lock: user table spinlock, a leaf.
#pragma once

#include <atomic>
#include <boost/intrusive/unordered_set_hook.hpp>

#include "base/ref.h"
#include "base/result.h"
#include "identity/credentials.h"

namespace tine::identity {

class UserRecord : public RefCounted<UserRecord>,
                   public mem::FromCache<UserRecord>,
                   public boost::intrusive::unordered_set_base_hook<> {
 public:
  explicit UserRecord(Uid uid) : uid(uid) {}
  ~UserRecord();
  const Uid uid;
  std::atomic<uint32_t> processes{0};
  std::atomic<uint32_t> queued_signals{0};
  std::atomic<uint32_t> files_in_flight{0};

  // Counts one process in if that keeps the count within `limit`; false: nothing counted.
  bool charge_process(uint64_t limit);
  void uncharge_process();
};

Result<Ref<UserRecord>> find_or_make_user(Uid uid);

}  // namespace tine::identity
