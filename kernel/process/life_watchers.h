// SPDX-License-Identifier: BSD-2-Clause
// Who watches the life of one process (a knote with EVFILT_PROC or EVFILT_SIGNAL). The list hangs on the process, so that
// a fork, exec, exit or signal costs something only where somebody watches that very process. It is made at the first
// watch, and outlives the process as long as a watcher refers to it. Lock: its own spinlock, after Process::lock; a
// parent's before its child's.
#pragma once

#include <boost/intrusive/list.hpp>

#include "base/ref.h"
#include "mem/object_cache.h"
#include "sync/spinlock.h"

namespace tine::process {

class Process;

class LifeWatcher : public boost::intrusive::list_base_hook<boost::intrusive::tag<LifeWatcher>> {
 public:
  bool is_bookmark = false;    // the place of somebody who goes through the list
};

struct LifeWatchers : RefCounted<LifeWatchers>, mem::FromCache<LifeWatchers> {
  // How many may watch a process that are neither its own user's nor root's: they make its forks slower. And how many may
  // count its signals, which are sent under its lock.
  static constexpr unsigned kMostStrangers = 64, kMostOfSignals = 512;

  sync::Spinlock lock{"life watchers"};
  boost::intrusive::list<LifeWatcher, boost::intrusive::base_hook<boost::intrusive::list_base_hook<
                                          boost::intrusive::tag<LifeWatcher>>>,
                         boost::intrusive::constant_time_size<false>>
      list GUARDED_BY(lock);
  unsigned strangers GUARDED_BY(lock) = 0, of_signals GUARDED_BY(lock) = 0;
};

}  // namespace tine::process
