// SPDX-License-Identifier: BSD-2-Clause
// Watchers of a file's last release.
#include "file/close_watch.h"

namespace tine::file {

void CloseWatchers::add(CloseWatcher& watcher) {
  intrusive_ptr_add_ref(&watcher);
  used_.store(true, std::memory_order_relaxed);  // ordered before the last release by the caller's reference
  sync::SpinGuard guard(lock_);
  watchers_.push_back(watcher);
}

void CloseWatchers::remove(CloseWatcher& watcher) {
  {
    sync::SpinGuard guard(lock_);
    if (!watcher.is_linked()) return;
    watchers_.erase(watchers_.iterator_to(watcher));
  }
  // From here on the file may be gone.
  intrusive_ptr_release(&watcher);
}

void CloseWatchers::call_all(File& file) {
  while (true) {
    Ref<CloseWatcher> watcher;
    {
      sync::SpinGuard guard(lock_);
      if (watchers_.empty()) return;
      watcher = Ref<CloseWatcher>(&watchers_.front(), false);  // takes over the list's reference
      watchers_.pop_front();
    }
    watcher->file_closing(file);
  }
}

}  // namespace tine::file
