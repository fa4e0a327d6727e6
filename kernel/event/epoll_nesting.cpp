// SPDX-License-Identifier: BSD-2-Clause
// The graph of nested epoll sets: links, cycles, depth, paths. Each search visits a set once and remembers its
// result in the set, so that its cost is the size of the graph, however many paths it has. Long ones give way to
// other threads.
#include "event/epoll_nesting.h"

#include <algorithm>

namespace tine::event {

constinit sync::Mutex EpollNesting::linking_mutex{"epoll linking"};
constinit sync::Mutex EpollNesting::nesting_mutex{"epoll nesting graph"};
constinit uint64_t EpollNesting::visit = 0;
constinit Late<EpollNesting::Leaves> EpollNesting::leaves;
constinit bool EpollNesting::leaves_made = false;

namespace {
constexpr unsigned kStepsPerYield = 64;
}

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

// Paths of length 0: 1 if nobody watches the set, for it is there that paths end.
void EpollNesting::count_paths(EpollSet& set) {
  if (set.paths_visit_ == visit) return;
  std::array<unsigned, kMostLevels> paths{};
  if (set.watchers_.empty()) paths[0] = 1;
  unsigned steps = 0;
  for (EpollItem& watcher : set.watchers_) {
    EpollSet& above = *watcher.set_;
    count_paths(above);
    for (unsigned length = 1; length < kMostLevels; length++)
      paths[length] = std::min(paths[length] + above.paths_[length - 1], kMostPaths[0]);
    if (++steps % kStepsPerYield == 0) sched::maybe_yield();
  }
  set.paths_ = paths;
  set.paths_visit_ = visit;
}

bool EpollNesting::few_paths(const file::File& file) {
  const auto [begin, end] = leaves->equal_range(&file);
  if (begin == end || begin->paths_visit_ == visit) return true;
  std::array<unsigned, kMostLevels> paths{};
  unsigned steps = 0;
  for (auto item = begin; item != end; ++item) {
    count_paths(*item->set_);
    for (unsigned length = 1; length < kMostLevels; length++) {
      paths[length] += item->set_->paths_[length];
      if (paths[length] > kMostPaths[length]) return false;
    }
    if (++steps % kStepsPerYield == 0) sched::maybe_yield();
  }
  begin->paths_visit_ = visit;
  return true;
}

// Of all files in `set` and in the sets in it.
bool EpollNesting::few_paths_below(EpollSet& set) {
  if (set.visit_ == visit) return true;
  set.visit_ = visit;
  unsigned steps = 0;
  for (EpollItem& item : set.leaves_) {
    if (!few_paths(item.file_)) return false;
    if (++steps % kStepsPerYield == 0) sched::maybe_yield();
  }
  return std::all_of(set.nested_.begin(), set.nested_.end(), [](EpollItem& item) NO_THREAD_SAFETY_ANALYSIS {
    return few_paths_below(*item.nested_);
  });
}

void EpollNesting::insert_leaf(EpollItem& item) {
  if (!leaves_made) leaves.construct();
  leaves_made = true;
  item.set_->leaves_.push_back(item);
  leaves->insert(item);
}

void EpollNesting::erase_leaf(EpollItem& item) {
  item.set_->leaves_.erase(item.set_->leaves_.iterator_to(item));
  leaves->erase(leaves->iterator_to(item));
}

void EpollNesting::bring_in(EpollSet& set) NO_THREAD_SAFETY_ANALYSIS {
  if (set.in_graph_) return;
  set.in_graph_ = true;
  unsigned steps = 0;
  for (EpollItem& item : set.items_) {
    if (item.nested_ == nullptr) insert_leaf(item);
    if (++steps % kStepsPerYield == 0) sched::maybe_yield();
  }
}

Result<> EpollNesting::check_levels(EpollItem& item) {
  visit++;
  const unsigned below = levels_below(*item.nested_, *item.set_, 1);
  visit++;
  const unsigned above = levels_above(*item.set_, 1);
  return below + above > kMostLevels ? Error(Errno::Loop) : Result<>();
}

Result<> EpollNesting::link(EpollItem& item) {
  EpollSet& inner = *item.nested_;
  item.set_->nested_.push_back(item);
  {
    sync::SpinGuard watchers_guard(inner.watchers_lock_);
    inner.watchers_.push_back(item);
  }
  visit++;
  if (few_paths_below(inner)) return {};
  unlink(item);
  return Error(Errno::Inval);
}

void EpollNesting::unlink(EpollItem& item) {
  EpollSet& inner = *item.nested_;
  item.set_->nested_.erase(item.set_->nested_.iterator_to(item));
  sync::SpinGuard watchers_guard(inner.watchers_lock_);
  inner.watchers_.erase(inner.watchers_.iterator_to(item));
}

Result<> EpollNesting::add(EpollItem& item) NO_THREAD_SAFETY_ANALYSIS {
  EpollSet& outer = *item.set_;
  if (item.nested_ == nullptr) {
    if (!outer.in_graph_) return {};
    sync::MutexGuard guard(nesting_mutex);
    insert_leaf(item);
    visit++;
    if (few_paths(item.file_)) return {};
    erase_leaf(item);
    return Error(Errno::Inval);
  }
  {
    sync::MutexGuard guard(nesting_mutex);
    TRY(check_levels(item));
  }
  EpollSet& inner = *item.nested_;
  inner.mutex_.lock_nested();  // its items must not change while it comes into the graph
  nesting_mutex.lock();
  bring_in(inner);
  const Result<> linked = link(item);
  nesting_mutex.unlock();
  inner.mutex_.unlock();
  return linked;
}

void EpollNesting::remove(EpollItem& item) NO_THREAD_SAFETY_ANALYSIS {
  if (item.nested_ == nullptr && !item.set_->in_graph_) return;
  sync::MutexGuard guard(nesting_mutex);
  item.nested_ != nullptr ? unlink(item) : erase_leaf(item);
}

}  // namespace tine::event
