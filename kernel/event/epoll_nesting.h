// SPDX-License-Identifier: BSD-2-Clause
// Epoll files inside epoll sets. A wake-up travels from the inner set to the outer ones under spinlocks, so
// the sets form a graph without cycles, of bounded depth, and with few paths: Linux's rules, by its numbers
// (fs/eventpoll.c, path_limits). Only the first set above a file may be one of any number; from these, paths
// to sets further up are counted for each file.
//
// The graph: sets that are or were watched, and the items in them. A set comes into it when it is watched
// first. Locks: the nesting mutex guards the whole graph. It comes after the mutexes of sets. The linking mutex comes before
// these: with it held no set comes into another, so that sets can be locked along a link that is about to be made.
#pragma once

#include "base/late.h"
#include "event/epoll.h"

namespace tine::event {

class EpollNesting {
 public:
  static constexpr unsigned kMostLevels = 5;  // sets on the longest chain
  static sync::Mutex linking_mutex;
  // A new item, whose set's mutex is held, comes into the graph if it belongs there. Loop if that closes a cycle
  // or makes a chain too long, Inval if a file would have too many paths. For nested sets: with the linking mutex.
  static Result<> add(EpollItem& item);
  static void remove(EpollItem& item);

 private:
  // How many paths of each number of nested sets a file may have; the first does not count.
  static constexpr std::array<unsigned, kMostLevels> kMostPaths = {1000, 500, 100, 50, 10};
  struct FileOf {
    using type = const file::File*;
    type operator()(const EpollItem& item) const { return &item.file_; }
  };
  using Leaves = boost::intrusive::multiset<EpollItem, boost::intrusive::base_hook<EpollSet::FileHook>,
                                            boost::intrusive::key_of_value<FileOf>,
                                            boost::intrusive::constant_time_size<false>>;

  static void bring_in(EpollSet& set) REQUIRES(nesting_mutex);
  static void insert_leaf(EpollItem& item) REQUIRES(nesting_mutex);
  static void erase_leaf(EpollItem& item) REQUIRES(nesting_mutex);
  static Result<> check_levels(EpollItem& item) REQUIRES(nesting_mutex);
  static Result<> link(EpollItem& item) REQUIRES(nesting_mutex);
  static void unlink(EpollItem& item) REQUIRES(nesting_mutex);
  // Sets on the longest chain from `set` downwards (upwards), itself included; more than kMostLevels when
  // `forbidden` is met.
  static unsigned levels_below(EpollSet& set, const EpollSet& forbidden, unsigned level)
      REQUIRES(nesting_mutex);
  static unsigned levels_above(EpollSet& set, unsigned level) REQUIRES(nesting_mutex);
  static void count_paths(EpollSet& set) REQUIRES(nesting_mutex);
  static bool few_paths(const file::File& file) REQUIRES(nesting_mutex);
  static bool few_paths_below(EpollSet& set) REQUIRES(nesting_mutex);

  static sync::Mutex nesting_mutex;
  static uint64_t visit GUARDED_BY(nesting_mutex);
  static Late<Leaves> leaves GUARDED_BY(nesting_mutex);
  static bool leaves_made GUARDED_BY(nesting_mutex);
};

}  // namespace tine::event
