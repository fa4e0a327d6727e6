// SPDX-License-Identifier: BSD-2-Clause
// Who keeps a file without holding a reference to it (an epoll registration, a knote) and must let go before
// it dies: registering a file must not keep it open. Each file has a list of its watchers, which its last
// release calls. Lock: the list's spinlock. Whoever takes back a watch may find it gone already; which of the
// two sides lets go first is decided by the watcher's own lock, since the file stays whole until every
// file_closing() has returned.
#pragma once

#include <atomic>
#include <boost/intrusive/list.hpp>

#include "base/ref.h"
#include "sync/spinlock.h"

namespace tine::file {

class File;

class CloseWatcher : public RefCounted<CloseWatcher>, public boost::intrusive::list_base_hook<> {
 public:
  virtual ~CloseWatcher() = default;
  // The last reference to `file` is gone and its destructor has not begun: its wait queues still work, but no
  // new reference may be taken. Called once, without locks; may sleep.
  virtual void file_closing(File& file) = 0;
};

class CloseWatchers {
 public:
  // The list holds a reference to the watcher. The caller holds one to the file.
  void add(CloseWatcher& watcher);
  // No effect if file_closing has been called, or is about to be: the caller keeps it from returning by its
  // own lock.
  void remove(CloseWatcher& watcher);

 private:
  friend class File;
  void file_closing(File& file) {
    if (used_.load(std::memory_order_relaxed)) [[unlikely]]
      call_all(file);
  }
  void call_all(File& file);

  // Never cleared: a file whose list is empty may still have somebody in remove(), whom call_all() waits for.
  std::atomic<bool> used_{false};
  sync::Spinlock lock_{"close watchers"};
  boost::intrusive::list<CloseWatcher, boost::intrusive::constant_time_size<false>> watchers_
      GUARDED_BY(lock_);
};

}  // namespace tine::file
