// SPDX-License-Identifier: BSD-2-Clause
// The region tree against an array of pages: maps, unmaps, changes, forks and exits at random, with
// allocations that fail at random. Checks contents, merging, gaps, balance, summaries and reference counts.
#include "vm/region_tree.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdlib>
#include <random>
#include <unordered_map>
#include <vector>

namespace tine::vm {
namespace {

unsigned fail_in = 0;
size_t live_nodes = 0;

template <class T>
struct HostAllocation {
  static void* operator new(size_t size, const std::nothrow_t&) noexcept {
    if (fail_in != 0 && --fail_in == 0) return nullptr;
    ++live_nodes;
    return std::malloc(size);
  }
  static void operator delete(void* node) {
    --live_nodes;
    std::free(node);
  }
  static void operator delete(void* node, const std::nothrow_t&) { operator delete(node); }
};

// Addresses are page numbers. Kinds 1-3 are anonymous, kinds 4-6 map an object at an offset; even kinds are
// special.
struct Region {
  uintptr_t start = 0;
  uintptr_t end = 0;
  unsigned kind = 0;
  uint64_t offset = 0;

  uint64_t pages() const { return end - start; }
  uint64_t data_pages() const { return kind == 1 ? pages() : 0; }
  bool special() const { return kind % 2 == 0; }
  static void pause() {}
  uint64_t filter_bits() const { return uint64_t{1} << kind; }
  void cut_below(uintptr_t address) {
    offset += address - start;
    start = address;
  }
  bool can_merge(const Region& next) const {
    return end == next.start && kind == next.kind && (kind < 4 || offset + pages() == next.offset);
  }
};

using Tree = RegionTree<Region, HostAllocation>;

constexpr uintptr_t kPages = 2048;

struct Page {
  unsigned kind = 0;  // 0: not mapped
  uint64_t offset = 0;
};

struct Map {
  Tree tree;
  std::array<Page, kPages> model{};

  void check() const {
    EXPECT_EQ(tree.verify(), 0u);
    uintptr_t at = 0;
    uint64_t data = 0;
    uint32_t special = 0;
    uint32_t count = 0;
    Region last;
    tree.for_each(0, kPages, [&](const Region& region) {
      ++count;
      special += region.special();
      data += region.data_pages();
      for (; at < region.start; ++at) ASSERT_EQ(model[at].kind, 0u);
      for (; at < region.end; ++at) {
        ASSERT_EQ(model[at].kind, region.kind);
        if (region.kind >= 4) ASSERT_EQ(model[at].offset, region.offset + (at - region.start));
      }
      EXPECT_FALSE(last.end != 0 && last.can_merge(region)) << "equal neighbours";
      last = region;
    });
    for (; at < kPages; ++at) ASSERT_EQ(model[at].kind, 0u);
    EXPECT_EQ(tree.count(), count);
    EXPECT_EQ(tree.special_count(), special);
    EXPECT_EQ(tree.data_pages(), data);
    uint32_t seen = 0;
    tree.for_each_special([&](const Region& region) { seen += region.special(); });
    EXPECT_EQ(seen, special);
    uint32_t left = count;
    for (unsigned kind = 1; kind <= 6; ++kind)
      tree.for_each_with(uint64_t{1} << kind, [&](const Region& region) { left -= region.kind == kind; });
    EXPECT_EQ(left, 0u);
  }
  bool is_free(uintptr_t start, uintptr_t end) const {
    for (; start < end; ++start)
      if (model[start].kind != 0) return false;
    return true;
  }
  std::optional<uintptr_t> highest_gap(uintptr_t low, uintptr_t high, uint64_t size) const {
    for (uintptr_t start = high; start-- > low;)
      if (start + size <= high && is_free(start, start + size)) return start;
    return {};
  }
  std::optional<uintptr_t> lowest_gap(uintptr_t low, uintptr_t high, uint64_t size) const {
    for (uintptr_t start = low; start + size <= high; ++start)
      if (is_free(start, start + size)) return start;
    return {};
  }
};

void audit(const std::vector<Map>& maps) {
  std::unordered_map<const void*, std::pair<uint32_t, uint32_t>> nodes;
  for (const Map& map : maps)
    map.tree.for_each_node([&](const void* node, uint32_t references) {
      auto& entry = nodes[node];
      entry.second = references;
      return ++entry.first == 1;
    });
  for (const auto& [node, counts] : nodes) EXPECT_EQ(counts.first, counts.second);
  EXPECT_EQ(live_nodes, nodes.size());
}

TEST(RegionTree, MergesEqualNeighbours) {
  Tree tree;
  ASSERT_TRUE(tree.insert({10, 20, 1, 0}));
  ASSERT_TRUE(tree.insert({30, 40, 1, 0}));
  EXPECT_EQ(tree.count(), 2u);
  ASSERT_TRUE(tree.insert({20, 30, 1, 0}));
  EXPECT_EQ(tree.count(), 1u);
  EXPECT_TRUE(tree.covers(10, 40));
  ASSERT_TRUE(tree.update(15, 25, [](Region& region) { region.kind = 3; }));
  EXPECT_EQ(tree.count(), 3u);
  ASSERT_TRUE(tree.update(10, 40, [](Region& region) { region.kind = 3; }));
  EXPECT_EQ(tree.count(), 1u);
}

TEST(RegionTree, ACopySharesAllAndAChangeCopiesAPath) {
  Tree parent;
  for (uintptr_t i = 0; i < 20000; ++i) ASSERT_TRUE(parent.insert({i * 3, i * 3 + 1, 1, 0}));
  const size_t before = live_nodes;
  Tree child = parent;
  EXPECT_EQ(live_nodes, before);
  ASSERT_TRUE(child.erase(30000, 30001));
  EXPECT_LT(live_nodes, before + 60);
  EXPECT_NE(parent.find(30000), nullptr);
  EXPECT_EQ(child.find(30000), nullptr);
}

TEST(RegionTree, FindsRegionsByAddress) {
  Tree tree;
  ASSERT_TRUE(tree.insert({10, 20, 1, 0}));
  ASSERT_TRUE(tree.insert({30, 40, 2, 0}));
  EXPECT_EQ(tree.find(9), nullptr);
  EXPECT_EQ(tree.find(10)->end, 20u);
  EXPECT_EQ(tree.find(20), nullptr);
  EXPECT_EQ(tree.at_or_after(20)->start, 30u);
  EXPECT_EQ(tree.before(30)->start, 10u);
  EXPECT_EQ(tree.before(10), nullptr);
  ASSERT_TRUE(tree.resize(30, 25, 45));
  EXPECT_EQ(tree.find(44)->start, 25u);
}

class RandomRegionTree : public testing::TestWithParam<unsigned> {};

TEST_P(RandomRegionTree, AgreesWithTheModel) {
  std::mt19937_64 random(GetParam());
  const auto pick = [&](uint64_t n) { return random() % n; };
  std::vector<Map> maps(1);
  for (unsigned step = 0; step < 150000; ++step) {
    Map& map = maps[pick(maps.size())];
    fail_in = pick(10) == 0 ? 1 + static_cast<unsigned>(pick(40)) : 0;
    const uintptr_t start = pick(kPages - 1);
    const uintptr_t end = std::min<uintptr_t>(kPages, start + 1 + pick(pick(20) == 0 ? 600 : 12));
    switch (pick(12)) {
      case 0:
      case 1:
      case 2:
      case 3: {
        const unsigned kind = 1 + static_cast<unsigned>(pick(6));
        const uint64_t offset = pick(3) == 0 ? pick(100) : start;  // often merges
        if (!map.tree.insert({start, end, kind, offset})) break;
        for (uintptr_t i = start; i < end; ++i) map.model[i] = {kind, offset + (i - start)};
        break;
      }
      case 4:
      case 5:
        if (!map.tree.erase(start, end)) break;
        for (uintptr_t i = start; i < end; ++i) map.model[i] = {};
        break;
      case 6:
      case 7: {
        const unsigned kind = 1 + static_cast<unsigned>(pick(3));
        const auto change = [&](Region& region) {
          if (region.kind < 4) region.kind = kind;
        };
        if (!map.tree.update(start, end, change)) break;
        for (uintptr_t i = start; i < end; ++i)
          if (map.model[i].kind != 0 && map.model[i].kind < 4) map.model[i].kind = kind;
        break;
      }
      case 8: {  // grows down, as a stack does, but stays off its neighbour
        const Region* region = map.tree.at_or_after(start);
        if (region == nullptr || region->kind >= 4 || region->start < 4) break;
        const Region own = *region;
        if (!map.is_free(own.start - 3, own.start) || !map.tree.resize(own.start, own.start - 2, own.end))
          break;
        for (uintptr_t i = own.start - 2; i < own.start; ++i) map.model[i] = {own.kind, 0};
        break;
      }
      case 9: {
        const uint64_t size = 1 + pick(20);
        const uintptr_t limit = std::min(end + 40, kPages);
        EXPECT_EQ(map.tree.highest_gap(start, limit, size), map.highest_gap(start, limit, size));
        if (pick(4) == 0) {
          EXPECT_EQ(map.tree.highest_gap(0, kPages, size), map.highest_gap(0, kPages, size));
          EXPECT_EQ(map.tree.lowest_gap(start, kPages, size), map.lowest_gap(start, kPages, size));
        }
        break;
      }
      case 10:
        if (maps.size() < 8) maps.push_back(Map(map));
        break;
      case 11:
        if (maps.size() > 1) {
          std::swap(maps[pick(maps.size())], maps.back());
          maps.pop_back();
        }
        break;
    }
    if (step % 512 == 0) {
      for (const Map& each : maps) each.check();
      audit(maps);
      if (HasFailure()) FAIL() << "at step " << step;
    }
  }
  fail_in = 0;
  maps.clear();
  EXPECT_EQ(live_nodes, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomRegionTree, testing::Range(1u, 9u));

}  // namespace
}  // namespace tine::vm
