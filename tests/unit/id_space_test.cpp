// SPDX-License-Identifier: BSD-2-Clause
// IdSpace against a plain set, and the uniformity of random choices. Seed rows P2, P8, P9.
#include "base/id_space.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <set>
#include <vector>

namespace {

using tine::IdSpace;

struct Space {
  std::vector<uint64_t> storage;
  IdSpace ids;
  Space(uint32_t first, uint32_t last)
      : storage(IdSpace::storage_bytes(last) / 8 + 1), ids(first, last, std::as_writable_bytes(std::span(storage))) {}
};

TEST(IdSpace, BehavesLikeASet) {
  for (const auto [first, last] : {std::pair<uint32_t, uint32_t>{1, 63}, {1, 64}, {2, 4095}, {1, 4096}, {1, 99999}, {1, 262144}}) {
    Space space(first, last);
    std::set<uint32_t> free;
    for (uint32_t i = first; i <= last; ++i) free.insert(i);
    std::mt19937 random(last);
    const int steps = 200'000;
    for (int step = 0; step < steps; ++step) {
      // Fills up in the first half, thins out in the second.
      const bool take = !free.empty() && (random() % 100 < (step < steps / 2 ? 80u : 20u) || free.size() == last - first + 1);
      const uint32_t probe = first + random() % (last - first + 1);
      if (take) {
        const uint32_t id = space.ids.select_free(random() % space.ids.free_count());
        ASSERT_TRUE(free.erase(id));
        space.ids.take(id);
      } else if (!free.contains(probe)) {
        space.ids.put_back(probe);
        free.insert(probe);
      }
      ASSERT_EQ(space.ids.free_count(), free.size());
      const auto next = free.lower_bound(probe);
      ASSERT_EQ(space.ids.next_free(probe), next == free.end() ? std::nullopt : std::optional(*next));
      ASSERT_EQ(space.ids.is_taken(probe), !free.contains(probe));
    }
  }
}

TEST(IdSpace, P8_FindsTheLastFreeNumberAndThenNone) {
  Space space(2, 99999);
  for (uint32_t id = 2; id <= 99999; ++id)
    if (id != 54321) space.ids.take(id);
  EXPECT_EQ(space.ids.select_free(0), 54321u);
  EXPECT_EQ(space.ids.next_free(2), 54321u);
  EXPECT_EQ(space.ids.next_free(54322), std::nullopt);
  space.ids.take(54321);
  EXPECT_EQ(space.ids.free_count(), 0u);
  EXPECT_EQ(space.ids.next_free(0), std::nullopt);
}

TEST(IdSpace, NextTakenSkipsWhatIsFree) {
  Space space(1, 99999);
  for (uint32_t id : {1u, 63u, 64u, 5000u, 99999u}) space.ids.take(id);
  std::vector<uint32_t> seen;
  for (uint32_t from = 0; const auto id = space.ids.next_taken(from); from = *id + 1) seen.push_back(*id);
  EXPECT_EQ(seen, (std::vector<uint32_t>{1, 63, 64, 5000, 99999}));
}

// A uniform rank gives a uniform number, at several occupancies. 99.9 % quantile of chi-square by Wilson and Hilferty.
TEST(IdSpace, P2_SelectionIsUniformAmongTheFree) {
  for (const double occupancy : {0.0, 0.5, 0.9, 0.99}) {
    const uint32_t last = 20'000;
    Space space(2, last);
    std::mt19937 random(7);
    std::vector<uint32_t> order;
    for (uint32_t id = 2; id <= last; ++id) order.push_back(id);
    std::shuffle(order.begin(), order.end(), random);
    order.resize(static_cast<size_t>(static_cast<double>(order.size()) * occupancy));
    for (uint32_t id : order) space.ids.take(id);

    const uint32_t free = space.ids.free_count();
    const int draws = 50 * static_cast<int>(free);
    std::vector<int> hits(last + 1);
    std::uniform_int_distribution<uint32_t> rank(0, free - 1);
    for (int i = 0; i < draws; ++i) ++hits[space.ids.select_free(rank(random))];
    double chi_square = 0;
    for (uint32_t id = 2; id <= last; ++id) {
      if (space.ids.is_taken(id)) {
        ASSERT_EQ(hits[id], 0);
        continue;
      }
      chi_square += std::pow(hits[id] - 50.0, 2) / 50.0;
    }
    const double degrees = free - 1;
    const double bound = degrees * std::pow(1 - 2 / (9 * degrees) + 3.09 * std::sqrt(2 / (9 * degrees)), 3);
    EXPECT_LT(chi_square, bound) << "occupancy " << occupancy;
  }
}

}  // namespace
