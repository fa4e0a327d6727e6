// SPDX-License-Identifier: BSD-2-Clause
// The descriptor tree against std::map: tables that open, close, mark, fork and exec at random, with
// allocations that fail at random; reference counts of nodes and files are compared with what is reachable.
#include "file/descriptor_tree.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <map>
#include <random>
#include <unordered_map>
#include <vector>

namespace tine::file {
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

struct FakeFile : RefCounted<FakeFile> {};
using FileRef = Ref<FakeFile>;
using Tree = DescriptorTree<FileRef, HostAllocation>;

struct Slot {
  FileRef file;
  bool marked;
};

struct Table {
  Tree tree;
  std::map<unsigned, Slot> model;

  void check() const {
    EXPECT_EQ(tree.count(), model.size());
    int number = -1;
    for (const auto& [expected, slot] : model) {
      number = tree.next_used(static_cast<unsigned>(number + 1));
      ASSERT_EQ(number, static_cast<int>(expected));
      EXPECT_EQ(tree.get(expected), slot.file);
      EXPECT_EQ(tree.close_on_exec(expected), slot.marked);
    }
    EXPECT_EQ(tree.next_used(static_cast<unsigned>(number + 1)), -1);
    number = -1;
    for (const auto& [expected, slot] : model) {
      if (!slot.marked) continue;
      number = tree.next_marked(static_cast<unsigned>(number + 1));
      ASSERT_EQ(number, static_cast<int>(expected));
    }
    EXPECT_EQ(tree.next_marked(static_cast<unsigned>(number + 1)), -1);
  }
  unsigned lowest_free(unsigned least) const {
    auto slot = model.lower_bound(least);
    for (; slot != model.end() && slot->first == least; ++slot) ++least;
    return least;
  }
};

void audit(const std::vector<Table>& tables) {
  std::unordered_map<const void*, std::pair<uint32_t, uint32_t>>
      nodes;  // references found, references claimed
  for (const Table& table : tables)
    table.tree.for_each_node([&](const void* node, uint32_t references) {
      auto& entry = nodes[node];
      entry.second = references;
      return ++entry.first == 1;
    });
  for (const auto& [node, counts] : nodes) EXPECT_EQ(counts.first, counts.second);
  EXPECT_EQ(live_nodes, nodes.size());
}

TEST(DescriptorTree, GivesTheLowestFreeNumber) {
  Tree tree;
  for (unsigned i = 0; i < 5000; ++i) {
    ASSERT_EQ(tree.lowest_free(0), i);
    ASSERT_TRUE(tree.set(i, FileRef(new FakeFile), false));
  }
  ASSERT_TRUE(tree.remove(4097));
  ASSERT_TRUE(tree.remove(70));
  EXPECT_EQ(tree.lowest_free(0), 70u);
  EXPECT_EQ(tree.lowest_free(71), 4097u);
  EXPECT_EQ(tree.lowest_free(4098), 5000u);
  EXPECT_EQ(tree.lowest_free(1000000), 1000000u);
}

TEST(DescriptorTree, HoldsTheLargestNumber) {
  Tree tree;
  ASSERT_TRUE(tree.set((1u << 20) - 1, FileRef(new FakeFile), true));
  EXPECT_EQ(tree.next_marked(3), (1 << 20) - 1);
  EXPECT_EQ(tree.lowest_free((1u << 20) - 1), 1u << 20);
  EXPECT_TRUE(tree.get((1u << 20) - 1));
  EXPECT_FALSE(tree.get(1u << 20));
}

TEST(DescriptorTree, AForkAllocatesNothingAndAWriteCopiesOnePath) {
  Tree parent;
  for (unsigned i = 0; i < 10000; ++i) ASSERT_TRUE(parent.set(i, FileRef(new FakeFile), false));
  const size_t before = live_nodes;
  Tree child = parent;
  EXPECT_EQ(live_nodes, before);
  ASSERT_TRUE(child.remove(5000));
  EXPECT_EQ(live_nodes, before + 3);
  EXPECT_TRUE(parent.get(5000));
  EXPECT_FALSE(child.get(5000));
}

class RandomDescriptorTree : public testing::TestWithParam<unsigned> {};

TEST_P(RandomDescriptorTree, AgreesWithTheModel) {
  std::mt19937_64 random(GetParam());
  const auto pick = [&](uint64_t n) { return static_cast<unsigned>(random() % n); };
  const auto number = [&] {
    constexpr unsigned kBases[] = {0, 0, 0, 64, 4000, 4096, 262100, 1048300};
    return kBases[pick(8)] + pick(200);
  };
  std::vector<Table> tables(1);
  for (unsigned step = 0; step < 300000; ++step) {
    Table& table = tables[pick(tables.size())];
    fail_in = pick(20) == 0 ? 1 + pick(4) : 0;
    const unsigned n = number();
    const auto used = table.model.find(n);
    switch (pick(16)) {
      case 0:
      case 1:
      case 2:
      case 3:
      case 4:
      case 5: {
        const unsigned least = pick(2) == 0 ? 0 : n;
        const unsigned free = table.tree.lowest_free(least);
        ASSERT_EQ(free, table.lowest_free(least));
        const FileRef file(new FakeFile);
        const bool mark = pick(4) == 0;
        if (table.tree.set(free, file, mark)) table.model[free] = {file, mark};
        break;
      }
      case 6: {  // dup2
        const FileRef file(new FakeFile);
        auto before = table.tree.set(n, file, false);
        if (!before) break;
        EXPECT_EQ(*before, used == table.model.end() ? FileRef() : used->second.file);
        table.model[n] = {file, false};
        break;
      }
      case 7:
      case 8:
      case 9:
        if (used == table.model.end()) break;
        if (auto before = table.tree.remove(n)) {
          EXPECT_EQ(*before, used->second.file);
          table.model.erase(used);
        }
        break;
      case 10:
        if (used != table.model.end() && table.tree.set_close_on_exec(n, pick(2) == 0))
          used->second.marked = table.tree.close_on_exec(n);
        break;
      case 11:
        if (tables.size() < 12) tables.push_back(Table(table));
        break;
      case 12:
        if (tables.size() > 1) {
          std::swap(tables[pick(tables.size())], tables.back());
          tables.pop_back();
        }
        break;
      case 13:
        if (pick(8) == 0)
          if (auto left = table.tree.without_marked()) {
            table.tree = std::move(*left);
            std::erase_if(table.model, [](const auto& slot) { return slot.second.marked; });
          }
        break;
      case 14: {
        if (pick(8) != 0) break;
        const unsigned last = n + pick(5000);
        if (auto left = table.tree.without_range(n, last)) {
          table.tree = std::move(*left);
          table.model.erase(table.model.lower_bound(n), table.model.upper_bound(last));
        }
        break;
      }
      case 15: {
        const unsigned last = n + pick(100);
        if (auto marked = table.tree.with_marked_range(n, last)) {
          table.tree = std::move(*marked);
          for (auto slot = table.model.lower_bound(n); slot != table.model.end() && slot->first <= last;
               ++slot)
            slot->second.marked = true;
        }
        break;
      }
    }
    if (step % 512 == 0) {
      for (const Table& each : tables) each.check();
      audit(tables);
      if (HasFailure()) FAIL() << "at step " << step;
    }
  }
  fail_in = 0;
  tables.clear();
  EXPECT_EQ(live_nodes, 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RandomDescriptorTree, testing::Range(1u, 9u));

}  // namespace
}  // namespace tine::file
