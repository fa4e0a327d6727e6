// SPDX-License-Identifier: BSD-2-Clause
// RegionTree: the region map, a persistent AVL tree of reference-counted nodes (DESIGN R1.2). A node that two
// trees reach never changes: a change builds a new path and leaves the old tree whole. So copying a tree, which
// is what fork does, is one reference on the root, a reader can walk a snapshot without any lock, and an
// operation that runs out of memory has changed nothing.
// In general changes are made of split and join. Source: Blelloch, Ferizovic and Sun, "Just Join for Parallel
// Ordered Sets" (SPAA 2016). Those that concern a region or two, where nobody else holds the nodes on the way to
// them, are made in place: region_tree_in_place.h.
// Each node knows the extent of its subtree and the largest gap in it, so that a free range is found in
// O(log n).
#pragma once

#include <algorithm>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>

#include "base/ref.h"
#include "base/result.h"
#include "mem/object_cache.h"

namespace tine::vm {

// Region: start, end, pages(), data_pages(), special(), filter_bits(), cut_below(address), can_merge(next), pause(). Regions do
// not overlap and are not empty. Whatever goes over many regions calls pause() for each, which may let
// others run: where a tree is walked, changed as a whole, or dropped. Allocation<T>: gives the nodes, T, their operators new(std::nothrow) and delete.
template <class Region, template <class> class Allocation = mem::FromCache>
class RegionTree {
 public:
  RegionTree() = default;  // empty; copies share the nodes

  bool empty() const { return root_ == nullptr; }
  uint32_t count() const { return root_ ? root_->count : 0; }
  uint32_t special_count() const { return root_ ? root_->special_count : 0; }  // Region::special()
  uint64_t pages() const { return root_ ? root_->pages : 0; }
  uint64_t data_pages() const { return root_ ? root_->data_pages : 0; }

  // The region that contains `address`, or null. Pointers are good as long as this tree, or a copy, is
  // unchanged.
  const Region* find(uintptr_t address) const {
    const Region* region = at_or_after(address);
    return region != nullptr && region->start <= address ? region : nullptr;
  }
  // The first region that ends after `address`.
  const Region* at_or_after(uintptr_t address) const;
  // The last region that starts before `address`.
  const Region* before(uintptr_t address) const;

  // Whether regions cover all of [start, end).
  bool covers(uintptr_t start, uintptr_t end) const;
  // visit(region) for each region that overlaps [start, end), ascending.
  template <class Visit>
  void for_each(uintptr_t start, uintptr_t end, Visit&& visit) const {
    walk([&](const Node& node) { return node.end > start && node.start < end; },
         [&](const Region& region) {
           if (region.end > start && region.start < end) visit(region);
         });
  }
  // visit(region) for each region with all of these filter_bits(), ascending; subtrees without them are passed by.
  template <class Visit>
  void for_each_with(uint64_t bits, Visit&& visit) const {
    walk([&](const Node& node) { return (node.filter_bits & bits) == bits; },
         [&](const Region& region) {
           if ((region.filter_bits() & bits) == bits) visit(region);
         });
  }
  // Whether both are one tree, as after a fork. While one of them lives, the answer means the same regions.
  bool is_same(const RegionTree& other) const { return root_ == other.root_; }
  template <class Visit>
  void for_each_special(Visit&& visit) const {
    walk([](const Node& node) { return node.special_count != 0; },
         [&](const Region& region) {
           if (region.special()) visit(region);
         });
  }

  // The start of the highest (lowest) free range of `size` bytes within [low, high).
  std::optional<uintptr_t> highest_gap(uintptr_t low, uintptr_t high, uint64_t size) const {
    return high_gap(root_.get(), low, high, size);
  }
  std::optional<uintptr_t> lowest_gap(uintptr_t low, uintptr_t high, uint64_t size) const {
    return low_gap(root_.get(), low, high, size);
  }

  // Puts `region` in the place of everything in its range, in one piece with equal neighbours. Errors: NoMem.
  Result<> insert(Region region);
  // Leaves [start, end) empty, cutting regions at its ends. Errors: NoMem.
  Result<> erase(uintptr_t start, uintptr_t end);
  // change(Region&) on all parts of regions within [start, end), cut at its ends; extents must stay as they
  // are. Equal neighbours become one. Errors: NoMem.
  template <class Change>
  Result<> update(uintptr_t start, uintptr_t end, Change&& change);
  // Moves the bounds of the region that starts at `start`; it must not run into a neighbour. Errors: NoMem.
  Result<> resize(uintptr_t start, uintptr_t new_start, uintptr_t new_end);

  // For the audit and tests: visit(node, references) for each node, parents first; false: not below this one.
  template <class Visit>
  void for_each_node(Visit&& visit) const {
    visit_nodes(root_.get(), visit);
  }
  // The number of nodes whose balance, order or summary is wrong.
  unsigned verify() const { return verify_in(root_.get()); }

 private:
  static constexpr unsigned kMostLevels = 48;  // of an AVL tree with 2^32 nodes

  struct Node;
  using Link = Ref<Node>;

  struct Node final : RefCounted<Node>, Allocation<Node> {
    Node(Link left_tree, const Region& own, Link right_tree)
        : left(std::move(left_tree)), right(std::move(right_tree)), region(own) {
      summarise();
    }
    ~Node() { Region::pause(); }
    void summarise() {
      height = 1 + std::max(height_of(left), height_of(right));
      count = 1;
      special_count = region.special();
      pages = region.pages();
      data_pages = region.data_pages();
      filter_bits = region.filter_bits();
      start = region.start;
      end = region.end;
      largest_gap = 0;
      if (left) {
        add(*left);
        start = left->start;
        largest_gap = std::max({largest_gap, left->largest_gap, region.start - left->end});
      }
      if (right) {
        add(*right);
        end = right->end;
        largest_gap = std::max({largest_gap, right->largest_gap, right->start - region.end});
      }
    }
    void add(const Node& child) {
      count += child.count;
      special_count += child.special_count;
      pages += child.pages;
      data_pages += child.data_pages;
      filter_bits |= child.filter_bits;
    }

    Link left, right;
    Region region;
    // Of the subtree:
    uintptr_t start, end;
    uint64_t largest_gap;  // between two neighbouring regions in it
    uint64_t pages, data_pages;
    uint64_t filter_bits;  // of all regions
    uint32_t count, special_count;
    uint32_t height;
  };

  static uint32_t height_of(const Link& link) { return link ? link->height : 0; }

  static Result<Link> node(Link left, const Region& region, Link right) {
    Node* made = new (std::nothrow) Node(std::move(left), region, std::move(right));
    if (made == nullptr) [[unlikely]]
      return Error(Errno::NoMem);
    return Link(made);
  }

  // Trees in ascending order become one. join: with a region between them.
  static Result<Link> balanced(Link left, const Region& region, Link right);
  static Result<Link> join(Link left, const Region& region, Link right);
  static Result<Link> join(Link left, Link right);

  struct Split {
    Link below, above;
  };
  static Result<Split> split(const Link& tree, uintptr_t address);

  struct Popped {
    Link rest;
    const Region* region;  // lives in the tree that it was taken from
  };
  static Result<Popped> pop_first(const Link& tree);
  static Result<Popped> pop_last(const Link& tree);

  static const Region* first_of(const Node* node) {
    while (node->left) node = node->left.get();
    return &node->region;
  }
  static const Region* last_of(const Node* node) {
    while (node->right) node = node->right.get();
    return &node->region;
  }

  // `below` + `region` + `above`, with the region taking in equal neighbours.
  static Result<Link> join_merged(Link below, Region region, Link above);
  template <class Change>
  static Result<Link> update_all(const Node* node, Link result, Change& change);
  static Result<Link> resized(const Link& tree, uintptr_t start, uintptr_t new_start, uintptr_t new_end);

  // Changes in place. False: it cannot be done so, and nothing has changed. Errors: NoMem.
  struct Path;
  struct Removed {
    Link node;
    Region region;
  };
  Result<bool> insert_in_place(const Region& region);
  Result<bool> erase_in_place(uintptr_t start, uintptr_t end);
  Result<bool> update_in_place(uintptr_t start, uintptr_t end, Region part);
  bool resize_in_place(uintptr_t start, uintptr_t new_start, uintptr_t new_end);
  bool take_out(uintptr_t start, Removed& removed);
  static void rotate_left(Link& slot);
  static void rotate_right(Link& slot);
  static void rebalance(Link& slot);

  static std::optional<uintptr_t> high_gap(const Node* node, uintptr_t low, uintptr_t high, uint64_t size);
  static std::optional<uintptr_t> low_gap(const Node* node, uintptr_t low, uintptr_t high, uint64_t size);

  // visit(region) in order, for the nodes in subtrees that are `wanted`. Not recursive: what visit() has on the stack is
  // there once, not once for each level.
  template <class Wanted, class Visit>
  [[gnu::noinline]] void walk(Wanted wanted, Visit visit) const {
    const Node* path[kMostLevels];
    unsigned depth = 0;
    for (const Node* node = root_.get();; node = node->right.get()) {
      for (; node != nullptr && wanted(*node); node = node->left.get()) path[depth++] = node;
      if (depth == 0) return;
      node = path[--depth];
      Region::pause();
      visit(node->region);
    }
  }
  template <class Visit>
  static void visit_nodes(const Node* node, Visit& visit);
  static unsigned verify_in(const Node* node);

  Link root_;
};

}  // namespace tine::vm

#include "vm/region_tree_in_place.h"
#include "vm/region_tree_inline.h"
