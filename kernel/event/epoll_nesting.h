// SPDX-License-Identifier: BSD-2-Clause
// Epoll files inside epoll sets. A wake-up travels from the inner set to the outer ones under spinlocks, so
// the sets form a graph without cycles and of bounded depth. Lock: the nesting mutex guards the whole graph.
#pragma once

#include "event/epoll.h"

namespace tine::event {

class EpollNesting {
 public:
  static constexpr unsigned kMostLevels = 5;  // sets on the longest chain, as in Linux
  // Links item.set_ above item.nested_. Loop if that closes a cycle or makes a chain too long.
  static Result<> link(EpollItem& item);
  static void unlink(EpollItem& item);

 private:
  // Sets on the longest chain from `set` downwards (upwards), itself included; more than kMostLevels when
  // `forbidden` is met.
  static unsigned levels_below(EpollSet& set, const EpollSet& forbidden, unsigned level)
      REQUIRES(nesting_mutex);
  static unsigned levels_above(EpollSet& set, unsigned level) REQUIRES(nesting_mutex);
  static sync::Mutex nesting_mutex;
  static uint64_t visit GUARDED_BY(nesting_mutex);
};

}  // namespace tine::event
