// SPDX-License-Identifier: BSD-2-Clause
// LockTree: advisory locks of many owners, to find in O(log n) one that somebody else has in a range. A treap by the start of
// the range, whose nodes know of their subtree how far it reaches and between which owners it lies. Locks of one owner do not
// overlap in a tree; a tree holds locks of one type. So what reaches into a range from before it is the searcher's in one
// place at most, and a subtree within the range either has a foreign owner, which its bounds tell, or none.
// Source: Seidel and Aragon, "Randomized Search Trees" (1996); Cormen et al., Introduction to Algorithms, 14.3.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>

namespace tine::file {

struct LockOwner;

// What the tree needs of a lock, and keeps in it.
struct LockNode {
  LockOwner* owner = nullptr;
  uint64_t first = 0, last = ~uint64_t{0};   // inclusive
  uint64_t priority = 0;                     // random

 private:
  friend class LockTree;
  LockNode *left = nullptr, *right = nullptr;
  // Of the subtree:
  uint64_t reach = 0;                        // the highest last
  LockOwner *lowest = nullptr, *highest = nullptr;
};

class LockTree {
 public:
  bool empty() const { return root_ == nullptr; }

  // The node must stay as it is while it is in the tree.
  void insert(LockNode& node) {
    node.left = node.right = nullptr;
    LockNode *below = nullptr, *above = nullptr;
    split(root_, node, below, above);
    summarise(node);
    root_ = join(join(below, &node), above);
  }
  void erase(LockNode& node) { root_ = without(root_, node); }

  // One that somebody else than `owner` has in [first, last]; null: there is none.
  LockNode* foreign(const LockOwner* owner, uint64_t first, uint64_t last) const {
    return foreign(root_, owner, first, last);
  }

 private:
  static bool before(const LockNode& a, const LockNode& b) {
    return a.first != b.first ? a.first < b.first : std::less<const LockNode*>()(&a, &b);
  }
  static void summarise(LockNode& node) {
    node.reach = node.last;
    node.lowest = node.highest = node.owner;
    for (const LockNode* child : {node.left, node.right}) {
      if (child == nullptr) continue;
      node.reach = std::max(node.reach, child->reach);
      node.lowest = std::min(node.lowest, child->lowest, std::less<LockOwner*>());
      node.highest = std::max(node.highest, child->highest, std::less<LockOwner*>());
    }
  }
  static LockNode* foreign(LockNode* node, const LockOwner* owner, uint64_t first, uint64_t last) {
    if (node == nullptr || node->reach < first || (node->lowest == owner && node->highest == owner)) return nullptr;
    if (LockNode* found = foreign(node->left, owner, first, last)) return found;
    if (node->first > last) return nullptr;
    if (node->last >= first && node->owner != owner) return node;
    return foreign(node->right, owner, first, last);
  }
  static void split(LockNode* tree, const LockNode& at, LockNode*& below, LockNode*& above) {
    if (tree == nullptr) {
      below = above = nullptr;
      return;
    }
    if (before(*tree, at)) {
      split(tree->right, at, tree->right, above);
      below = tree;
    } else {
      split(tree->left, at, below, tree->left);
      above = tree;
    }
    summarise(*tree);
  }
  static LockNode* join(LockNode* below, LockNode* above) {
    if (below == nullptr) return above;
    if (above == nullptr) return below;
    if (below->priority > above->priority) {
      below->right = join(below->right, above);
      summarise(*below);
      return below;
    }
    above->left = join(below, above->left);
    summarise(*above);
    return above;
  }
  static LockNode* without(LockNode* tree, LockNode& node) {
    if (tree == &node) return join(node.left, node.right);
    if (before(node, *tree)) tree->left = without(tree->left, node);
    else tree->right = without(tree->right, node);
    summarise(*tree);
    return tree;
  }

  LockNode* root_ = nullptr;
};

}  // namespace tine::file
