// SPDX-License-Identifier: BSD-2-Clause
// The order that the lock checker has learned: a directed graph of lock classes, an edge from a class to those taken
// while it was held. It has no cycle; insert() refuses an edge that would close one. Compiles on the host. No lock:
// the caller serialises.
#pragma once

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>

namespace tine::sync {

template <size_t kClasses>
class LockGraph {
 public:
  // A way through the graph, from its first class to its last.
  struct Path {
    std::array<uint16_t, kClasses> classes{};
    size_t length = 0;
  };

  bool has(uint16_t before, uint16_t after) const { return edges_[before][after]; }

  // Records that `after` is taken while `before` is held. False, with the existing way from `after` to `before` in
  // `conflict`, if that order is the opposite of what was learned.
  bool insert(uint16_t before, uint16_t after, Path& conflict) {
    if (has(before, after)) return true;
    if (find(after, before, conflict)) return false;
    edges_[before][after] = true;
    return true;
  }

 private:
  // Breadth-first, so that the report is the shortest chain.
  bool find(uint16_t from, uint16_t to, Path& path) const {
    std::bitset<kClasses> seen;
    std::array<uint16_t, kClasses> queue, came_from;
    size_t head = 0, tail = 0;
    queue[tail++] = from;
    seen[from] = true;
    while (head != tail) {
      const uint16_t at = queue[head++];
      if (at == to) {
        path.length = 1;
        for (uint16_t step = to; step != from; step = came_from[step]) path.length++;
        uint16_t step = to;
        for (size_t i = path.length; i-- != 0; step = came_from[step]) path.classes[i] = step;
        return true;
      }
      for (uint16_t next = 0; next < kClasses; next++) {
        if (!edges_[at][next] || seen[next]) continue;
        seen[next] = true;
        came_from[next] = at;
        queue[tail++] = next;
      }
    }
    return false;
  }

  std::array<std::bitset<kClasses>, kClasses> edges_{};
};

}  // namespace tine::sync
