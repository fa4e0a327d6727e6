// SPDX-License-Identifier: BSD-2-Clause
// The tree of advisory locks against a plain list, with owners whose locks do not overlap each other's own.
#include "file/lock_tree.h"

#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <vector>

#include "file/lock_owner.h"

namespace tine::file {
namespace {

constexpr uint64_t kBytes = 300;
constexpr size_t kOwners = 4;

struct Model {
  LockTree tree;
  std::vector<std::unique_ptr<LockNode>> locks;
  LockOwner owners[kOwners];

  bool overlaps_own(const LockOwner* owner, uint64_t first, uint64_t last) const {
    for (const auto& lock : locks)
      if (lock->owner == owner && lock->first <= last && first <= lock->last) return true;
    return false;
  }
  bool has_foreign(const LockOwner* owner, uint64_t first, uint64_t last) const {
    for (const auto& lock : locks)
      if (lock->owner != owner && lock->first <= last && first <= lock->last) return true;
    return false;
  }
};

TEST(LockTree, FindsAForeignLockExactlyWhenThereIsOne) {
  std::mt19937_64 random(1);
  const auto below = [&](uint64_t limit) { return random() % limit; };
  Model model;
  for (int i = 0; i < 20'000; i++) {
    LockOwner* owner = &model.owners[below(kOwners)];
    const uint64_t first = below(kBytes), last = first + below(20);
    if (below(2) != 0 && !model.overlaps_own(owner, first, last)) {
      auto lock = std::make_unique<LockNode>();
      lock->owner = owner;
      lock->first = first;
      lock->last = last;
      lock->priority = random();
      model.tree.insert(*lock);
      model.locks.push_back(std::move(lock));
    } else if (!model.locks.empty()) {
      const size_t victim = below(model.locks.size());
      model.tree.erase(*model.locks[victim]);
      std::swap(model.locks[victim], model.locks.back());
      model.locks.pop_back();
    }
    LockOwner* asker = &model.owners[below(kOwners)];
    const uint64_t from = below(kBytes), to = from + below(50);
    const LockNode* found = model.tree.foreign(asker, from, to);
    ASSERT_EQ(found != nullptr, model.has_foreign(asker, from, to));
    if (found != nullptr) {
      EXPECT_NE(found->owner, asker);
      EXPECT_TRUE(found->first <= to && from <= found->last);
    }
  }
  while (!model.locks.empty()) {
    model.tree.erase(*model.locks.back());
    model.locks.pop_back();
  }
  EXPECT_TRUE(model.tree.empty());
}

}  // namespace
}  // namespace tine::file
