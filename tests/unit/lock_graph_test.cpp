// SPDX-License-Identifier: BSD-2-Clause
// The order of lock classes that the checker learns.
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "sync/lock_graph.h"

namespace tine::sync {
namespace {

using Graph = LockGraph<64>;

TEST(LockGraph, AcceptsAnOrderAndRemembersIt) {
  Graph graph;
  Graph::Path conflict;
  EXPECT_TRUE(graph.insert(1, 2, conflict));
  EXPECT_TRUE(graph.insert(2, 3, conflict));
  EXPECT_TRUE(graph.insert(1, 3, conflict));
  EXPECT_TRUE(graph.insert(1, 2, conflict));
  EXPECT_TRUE(graph.has(1, 2));
  EXPECT_FALSE(graph.has(2, 1));
}

TEST(LockGraph, RefusesTheOppositeOrderAndNamesTheShortestChain) {
  Graph graph;
  Graph::Path conflict;
  ASSERT_TRUE(graph.insert(1, 2, conflict));
  ASSERT_TRUE(graph.insert(2, 3, conflict));
  ASSERT_TRUE(graph.insert(3, 4, conflict));
  ASSERT_TRUE(graph.insert(1, 3, conflict));
  EXPECT_FALSE(graph.insert(4, 1, conflict));
  ASSERT_EQ(conflict.length, 3u);
  EXPECT_EQ(conflict.classes[0], 1);
  EXPECT_EQ(conflict.classes[1], 3);
  EXPECT_EQ(conflict.classes[2], 4);
  EXPECT_FALSE(graph.has(4, 1));
}

TEST(LockGraph, AcceptsExactlyTheOrdersWithoutACycle) {
  std::mt19937 random(1);
  for (unsigned round = 0; round < 20; round++) {
    auto graph = std::make_unique<Graph>();
    Graph::Path conflict;
    bool reaches[64][64] = {};
    for (unsigned step = 0; step < 400; step++) {
      const auto before = static_cast<uint16_t>(random() % 64), after = static_cast<uint16_t>(random() % 64);
      if (before == after) continue;
      const bool cycle = reaches[after][before];
      EXPECT_EQ(graph->insert(before, after, conflict), !cycle);
      if (cycle) {
        EXPECT_EQ(conflict.classes[0], after);
        EXPECT_EQ(conflict.classes[conflict.length - 1], before);
        continue;
      }
      for (unsigned from = 0; from < 64; from++)
        for (unsigned to = 0; to < 64; to++)
          if ((from == before || reaches[from][before]) && (to == after || reaches[after][to]))
            reaches[from][to] = true;
    }
  }
}

}  // namespace
}  // namespace tine::sync
