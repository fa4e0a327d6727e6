// SPDX-License-Identifier: BSD-2-Clause
// DescriptorTree: descriptor number -> file, as a radix tree of reference-counted nodes (DESIGN R1.3). Leaves
// have 64 slots with bitmaps of the used and the close-on-exec ones; inner nodes have 64 children with
// bitmaps of those that are full and those that have close-on-exec slots below. The height grows with the
// highest number. Copying a tree shares its root, whatever its size: that is fork. Rule: a node is changed
// only while all references on the path to it are single; else the path is copied first. Changes to many
// slots make a new tree, so that the caller can drop the old one, and with it files, after its lock. Each
// call that can fail leaves the tree as it was. The caller serialises the calls for one tree.
#pragma once

#include <bit>
#include <cstdint>
#include <new>
#include <utility>

#include "base/ref.h"
#include "base/result.h"
#include "mem/object_cache.h"

namespace tine::file {

// FileRef: a copyable owner that is null by default and converts to bool. Allocation<T>: gives the nodes, T,
// their operators new(std::nothrow) and delete.
template <class FileRef, template <class> class Allocation = mem::FromCache>
class DescriptorTree {
 public:
  static constexpr unsigned kWays = 64;

  DescriptorTree() = default;
  DescriptorTree(const DescriptorTree&) = default;  // fork: O(1)
  DescriptorTree& operator=(const DescriptorTree&) = default;
  DescriptorTree(DescriptorTree&& other) noexcept { swap(other); }
  DescriptorTree& operator=(DescriptorTree&& other) noexcept {
    swap(other);
    return *this;
  }
  void swap(DescriptorTree& other) noexcept {
    std::swap(root_, other.root_);
    std::swap(height_, other.height_);
    std::swap(count_, other.count_);
  }

  unsigned count() const { return count_; }

  FileRef get(unsigned number) const {
    const Leaf* leaf = leaf_of(number);
    return leaf != nullptr ? leaf->files[number % kWays] : FileRef();
  }
  bool close_on_exec(unsigned number) const {
    const Leaf* leaf = leaf_of(number);
    return leaf != nullptr && (leaf->marked & bit(number % kWays)) != 0;
  }

  // Puts a file into a slot, used or not; returns what was there. Errors: NoMem.
  Result<FileRef> set(unsigned number, FileRef file, bool close_on_exec) {
    TRY(grow_to(number));
    TRY(own_path(root_, height_, number));
    FileRef before;
    change(root_, height_, number, [&](Leaf& leaf, unsigned i) {
      before = std::exchange(leaf.files[i], std::move(file));
      leaf.used |= bit(i);
      leaf.set_marked(i, close_on_exec);
    });
    count_ += !before;
    return before;
  }
  // Empties a used slot; returns what was there. Errors: NoMem.
  Result<FileRef> remove(unsigned number) {
    TRY(own_path(root_, height_, number));
    FileRef before;
    change(root_, height_, number, [&](Leaf& leaf, unsigned i) {
      before = std::exchange(leaf.files[i], FileRef());
      leaf.used &= ~bit(i);
      leaf.set_marked(i, false);
    });
    --count_;
    return before;
  }
  // For a used slot. Errors: NoMem.
  Result<> set_close_on_exec(unsigned number, bool value) {
    if (close_on_exec(number) == value) return {};
    TRY(own_path(root_, height_, number));
    change(root_, height_, number, [&](Leaf& leaf, unsigned i) { leaf.set_marked(i, value); });
    return {};
  }

  // The lowest number >= least that is not used.
  unsigned lowest_free(unsigned least) const {
    if (least >= capacity()) return least;
    const uint64_t found = lowest_free_in(root_.get(), height_, 0, least);
    return found == kNone ? static_cast<unsigned>(capacity()) : static_cast<unsigned>(found);
  }
  // The lowest used number >= from; -1 when there is none. next_marked: of those with close-on-exec.
  int next_used(unsigned from) const { return next_in(root_.get(), height_, 0, from, false); }
  int next_marked(unsigned from) const { return next_in(root_.get(), height_, 0, from, true); }

  // This tree without the slots first ... last (inclusive), or without those with close-on-exec; or with
  // close-on-exec set for the used slots first ... last. The cost is in proportion to the slots concerned.
  // Errors: NoMem.
  Result<DescriptorTree> without_range(unsigned first, unsigned last) const {
    return rebuilt({first, last, false, Change::Remove});
  }
  Result<DescriptorTree> without_marked() const { return rebuilt({0, ~0u, true, Change::Remove}); }
  Result<DescriptorTree> with_marked_range(unsigned first, unsigned last) const {
    return rebuilt({first, last, false, Change::Mark});
  }

  // For the audit and tests: visit(node, references) for each node, parents first; false: not below this one.
  template <class Visit>
  void for_each_node(Visit&& visit) const {
    visit_nodes(root_.get(), height_, visit);
  }

 private:
  static constexpr uint64_t kNone = ~uint64_t{0};
  static constexpr uint64_t kAll = ~uint64_t{0};
  static constexpr uint64_t bit(unsigned i) { return uint64_t{1} << i; }

  struct Node : RefCounted<Node> {
    virtual ~Node() = default;
  };
  using NodeRef = Ref<Node>;

  struct Leaf final : Node, Allocation<Leaf> {
    using Allocation<Leaf>::operator new;
    using Allocation<Leaf>::operator delete;
    Leaf() = default;
    Leaf(const Leaf& other, uint64_t keep) : used(other.used & keep), marked(other.marked & keep) {
      for (uint64_t bits = used; bits != 0; bits &= bits - 1) {
        const unsigned i = static_cast<unsigned>(std::countr_zero(bits));
        files[i] = other.files[i];
      }
    }
    void set_marked(unsigned i, bool value) { marked = value ? marked | bit(i) : marked & ~bit(i); }
    uint64_t used = 0;
    uint64_t marked = 0;
    FileRef files[kWays] = {};
  };

  struct Inner final : Node, Allocation<Inner> {
    using Allocation<Inner>::operator new;
    using Allocation<Inner>::operator delete;
    Inner() = default;
    Inner(const Inner& other) : full(other.full), marked(other.marked) {
      for (unsigned i = 0; i < kWays; ++i) children[i] = other.children[i];
    }
    // Puts a child in and brings the bitmaps up to date; an empty child is left out.
    void put(unsigned i, NodeRef child, unsigned child_level) {
      const Summary summary = summarise(child.get(), child_level);
      full = summary.full ? full | bit(i) : full & ~bit(i);
      marked = summary.marked ? marked | bit(i) : marked & ~bit(i);
      children[i] = summary.empty ? NodeRef() : std::move(child);
    }
    uint64_t full = 0;
    uint64_t marked = 0;
    NodeRef children[kWays];
  };

  struct Summary {
    bool empty, full, marked;
  };
  static Summary summarise(const Node* node, unsigned level) {
    if (node == nullptr) return {true, false, false};
    if (level == 0) {
      const Leaf& leaf = leaf_at(node);
      return {leaf.used == 0, leaf.used == kAll, leaf.marked != 0};
    }
    const Inner& inner = inner_at(node);
    bool empty = inner.full == 0;
    for (unsigned i = 0; empty && i < kWays; ++i) empty = inner.children[i] == nullptr;
    return {empty, inner.full == kAll, inner.marked != 0};
  }

  static Leaf& leaf_at(Node* node) { return *static_cast<Leaf*>(node); }
  static Inner& inner_at(Node* node) { return *static_cast<Inner*>(node); }
  static const Leaf& leaf_at(const Node* node) { return *static_cast<const Leaf*>(node); }
  static const Inner& inner_at(const Node* node) { return *static_cast<const Inner*>(node); }

  // Slots below one child of a node at `level` (level 0: a leaf).
  static constexpr uint64_t span_of(unsigned level) { return uint64_t{1} << (6 * level); }
  static constexpr unsigned index_at(unsigned level, uint64_t number) {
    return (number >> (6 * level)) % kWays;
  }
  uint64_t capacity() const { return span_of(height_ + 1); }

  const Leaf* leaf_of(unsigned number) const {
    if (number >= capacity()) return nullptr;
    const Node* node = root_.get();
    for (unsigned level = height_; level > 0 && node != nullptr; --level)
      node = inner_at(node).children[index_at(level, number)].get();
    return static_cast<const Leaf*>(node);
  }

  template <class T, class... Args>
  static Result<NodeRef> make_node(Args&&... args) {
    T* node = new (std::nothrow) T(std::forward<Args>(args)...);
    if (node == nullptr) return Error(Errno::NoMem);
    return NodeRef(node);
  }

  // An empty tree takes the new height for nothing.
  Result<> grow_to(unsigned number) {
    while (number >= capacity()) {
      if (root_ != nullptr) {
        NodeRef top = TRY(make_node<Inner>());
        inner_at(top.get()).put(0, root_, height_);
        root_ = std::move(top);
      }
      ++height_;
    }
    return {};
  }

  // Makes the path to `number` exist and be this tree's alone. A failure leaves equal nodes or empty ones, no
  // more.
  static Result<> own_path(NodeRef& slot, unsigned level, unsigned number) {
    if (slot == nullptr)
      slot = level == 0 ? TRY(make_node<Leaf>()) : TRY(make_node<Inner>());
    else if (slot->ref_count() != 1)
      slot = level == 0 ? TRY(make_node<Leaf>(leaf_at(slot.get()), kAll))
                        : TRY(make_node<Inner>(inner_at(slot.get())));
    if (level == 0) return {};
    return own_path(inner_at(slot.get()).children[index_at(level, number)], level - 1, number);
  }

  // Calls apply(leaf, index) at the end of an owned path, then brings the bitmaps on it up to date, from
  // below.
  template <class Apply>
  static void change(NodeRef& slot, unsigned level, unsigned number, Apply&& apply) {
    if (level == 0) return apply(leaf_at(slot.get()), number % kWays);
    Inner& inner = inner_at(slot.get());
    const unsigned i = index_at(level, number);
    change(inner.children[i], level - 1, number, apply);
    inner.put(i, std::move(inner.children[i]), level - 1);
  }

  static uint64_t from_bit(uint64_t base, uint64_t from, uint64_t step) {  // children that end after `from`
    return from <= base ? kAll : kAll << ((from - base) / step);
  }

  static uint64_t lowest_free_in(const Node* node, unsigned level, uint64_t base, uint64_t least) {
    if (node == nullptr) return base > least ? base : least;
    const uint64_t step = span_of(level);
    const uint64_t taken = level == 0 ? leaf_at(node).used : inner_at(node).full;
    for (uint64_t bits = ~taken & from_bit(base, least, step); bits != 0; bits &= bits - 1) {
      const unsigned i = static_cast<unsigned>(std::countr_zero(bits));
      if (level == 0) return base + i;
      // Only the child that `least` lies in may have nothing free from there on.
      const uint64_t found =
          lowest_free_in(inner_at(node).children[i].get(), level - 1, base + i * step, least);
      if (found != kNone) return found;
    }
    return kNone;
  }

  static int next_in(const Node* node, unsigned level, uint64_t base, uint64_t from, bool only_marked) {
    const uint64_t step = span_of(level);
    if (node == nullptr || from >= base + step * kWays) return -1;
    uint64_t bits = from_bit(base, from, step);
    if (level == 0)
      bits &= only_marked ? leaf_at(node).marked : leaf_at(node).used;
    else if (only_marked)
      bits &= inner_at(node).marked;
    for (; bits != 0; bits &= bits - 1) {
      const unsigned i = static_cast<unsigned>(std::countr_zero(bits));
      if (level == 0) return static_cast<int>(base + i);
      const Node* child = inner_at(node).children[i].get();
      if (const int found = next_in(child, level - 1, base + i * step, from, only_marked); found >= 0)
        return found;
    }
    return -1;
  }

  enum class Change : uint8_t { Remove, Mark };
  struct Rebuild {
    uint64_t first, last;
    bool only_marked;
    Change change;
  };

  Result<DescriptorTree> rebuilt(const Rebuild& rebuild) const {
    DescriptorTree tree;
    tree.height_ = height_;
    tree.count_ = count_;
    tree.root_ = TRY(rebuilt_node(root_, height_, 0, rebuild, tree.count_));
    return tree;
  }

  static Result<NodeRef> rebuilt_node(const NodeRef& node, unsigned level, uint64_t base,
                                      const Rebuild& rebuild, unsigned& count) {
    const uint64_t step = span_of(level);
    if (node == nullptr || rebuild.last < base || rebuild.first >= base + step * kWays) return node;
    uint64_t bits = from_bit(base, rebuild.first, step);
    if (rebuild.last < base + step * kWays - 1) bits &= ~((kAll - 1) << ((rebuild.last - base) / step));
    if (level == 0) {
      const Leaf& leaf = leaf_at(node.get());
      bits &= rebuild.only_marked ? leaf.marked : leaf.used;
      if (bits == 0) return node;
      if (rebuild.change == Change::Remove) count -= static_cast<unsigned>(std::popcount(bits));
      if (rebuild.change == Change::Remove && bits == leaf.used) return NodeRef();
      NodeRef copy = TRY(make_node<Leaf>(leaf, rebuild.change == Change::Remove ? ~bits : kAll));
      if (rebuild.change == Change::Mark) leaf_at(copy.get()).marked |= bits;
      return copy;
    }
    if (rebuild.only_marked) bits &= inner_at(node.get()).marked;
    NodeRef copy = node;
    for (; bits != 0; bits &= bits - 1) {
      const unsigned i = static_cast<unsigned>(std::countr_zero(bits));
      const NodeRef& child = inner_at(node.get()).children[i];
      NodeRef now = TRY(rebuilt_node(child, level - 1, base + i * step, rebuild, count));
      if (now == child) continue;
      if (copy == node) copy = TRY(make_node<Inner>(inner_at(node.get())));
      inner_at(copy.get()).put(i, std::move(now), level - 1);
    }
    return summarise(copy.get(), level).empty ? NodeRef() : copy;
  }

  template <class Visit>
  static void visit_nodes(const Node* node, unsigned level, Visit& visit) {
    if (node == nullptr || !visit(static_cast<const void*>(node), node->ref_count()) || level == 0) return;
    for (const NodeRef& child : inner_at(node).children) visit_nodes(child.get(), level - 1, visit);
  }

  NodeRef root_;
  unsigned height_ = 0;
  unsigned count_ = 0;
};

}  // namespace tine::file
