// SPDX-License-Identifier: BSD-2-Clause
// The graph of nested epoll sets: links, cycles, depth. Each search visits a set once and remembers its
// result in the set, so that its cost is the size of the graph, however many paths it has.
#include "event/epoll_nesting.h"

#include <algorithm>

namespace tine::event {

constinit sync::Mutex EpollNesting::nesting_mutex{"epoll nesting graph"};
constinit uint64_t EpollNesting::visit = 0;

unsigned EpollNesting::levels_below(EpollSet& set, const EpollSet& forbidden, unsigned level) {
  if (&set == &forbidden || level > kMostLevels) return kMostLevels + 1;
  if (set.visit_ == visit) return set.depth_;
  unsigned deepest = 0;
  for (EpollItem& item : set.nested_)
    deepest = std::max(deepest, levels_below(*item.nested_, forbidden, level + 1));
  set.visit_ = visit;
  return set.depth_ = std::min(deepest + 1, kMostLevels + 1);
}

unsigned EpollNesting::levels_above(EpollSet& set, unsigned level) {
  if (level > kMostLevels) return kMostLevels + 1;
  if (set.visit_ == visit) return set.depth_;
  unsigned highest = 0;
  for (EpollItem& item : set.watchers_) highest = std::max(highest, levels_above(*item.set_, level + 1));
  set.visit_ = visit;
  return set.depth_ = std::min(highest + 1, kMostLevels + 1);
}

Result<> EpollNesting::link(EpollItem& item) {
  sync::MutexGuard guard(nesting_mutex);
  EpollSet& outer = *item.set_;
  EpollSet& inner = *item.nested_;
  visit++;
  const unsigned below = levels_below(inner, outer, 1);
  visit++;
  const unsigned above = levels_above(outer, 1);
  if (below + above > kMostLevels) return Error(Errno::Loop);
  outer.nested_.push_back(item);
  sync::SpinGuard watchers_guard(inner.watchers_lock_);
  inner.watchers_.push_back(item);
  return {};
}

void EpollNesting::unlink(EpollItem& item) {
  sync::MutexGuard guard(nesting_mutex);
  EpollSet& inner = *item.nested_;
  item.set_->nested_.erase(item.set_->nested_.iterator_to(item));
  sync::SpinGuard watchers_guard(inner.watchers_lock_);
  inner.watchers_.erase(inner.watchers_.iterator_to(item));
}

}  // namespace tine::event
