// SPDX-License-Identifier: BSD-2-Clause
// Changes of a region tree in place; region_tree.h includes this file at its end. A node may be changed if only
// this tree reaches it, that is if it and every node above it have one reference. All that a change is going to
// touch is looked at first; then nothing can fail. Source of the balancing: Adelson-Velsky and Landis (1962).
#pragma once

namespace tine::vm {

// The links from the root down to a place; all nodes on the way are this tree's alone.
template <class Region, template <class> class Allocation>
struct RegionTree<Region, Allocation>::Path {
  Link* links[kMostLevels];
  unsigned depth = 0;     // of these, not null
  Link* place = nullptr;  // the node that was looked for, or the null link where it would be

  // To the region that contains `address`. False: others hold a node on the way.
  bool reach(Link& root, uintptr_t address) {
    place = &root;
    while (*place && !contains(**place, address))
      if (!step(address < (*place)->region.start)) return false;
    return !*place || enter();
  }
  // On from there, to where its successor, or predecessor, would be inserted.
  bool reach_gap_after() { return step_from_place(false) && run(true); }
  bool reach_gap_before() { return step_from_place(true) && run(false); }

  // The node at the end of the way.
  Node& last() { return **links[depth - 1]; }

  void summarise() {
    for (unsigned i = depth; i-- > 0;) (*links[i])->summarise();
  }
  void insert(Link fresh) {
    *place = std::move(fresh);
    for (unsigned i = depth; i-- > 0;) rebalance(*links[i]);
  }
  bool can_remove() const;
  void remove(Removed& removed);

 private:
  static bool contains(const Node& node, uintptr_t address) {
    return address >= node.region.start && address < node.region.end;
  }
  bool enter() {
    if ((*place)->ref_count() != 1) return false;
    links[depth++] = place;
    return true;
  }
  bool step(bool to_left) { return enter() && step_from_place(to_left); }
  bool step_from_place(bool to_left) {
    place = to_left ? &(*place)->left : &(*place)->right;
    return true;
  }
  bool run(bool to_left) {
    while (*place)
      if (!step(to_left)) return false;
    return true;
  }
};

template <class Region, template <class> class Allocation>
void RegionTree<Region, Allocation>::rotate_right(Link& slot) {
  Link top = std::move(slot);
  Link rising = std::move(top->left);
  top->left = std::move(rising->right);
  top->summarise();
  rising->right = std::move(top);
  rising->summarise();
  slot = std::move(rising);
}

template <class Region, template <class> class Allocation>
void RegionTree<Region, Allocation>::rotate_left(Link& slot) {
  Link top = std::move(slot);
  Link rising = std::move(top->right);
  top->right = std::move(rising->left);
  top->summarise();
  rising->left = std::move(top);
  rising->summarise();
  slot = std::move(rising);
}

// A node whose subtrees' heights differ by at most two is in order afterwards, its summary too.
template <class Region, template <class> class Allocation>
void RegionTree<Region, Allocation>::rebalance(Link& slot) {
  Node& node = *slot;
  if (height_of(node.left) > height_of(node.right) + 1) {
    if (height_of(node.left->left) < height_of(node.left->right)) rotate_left(node.left);
    rotate_right(slot);
  } else if (height_of(node.right) > height_of(node.left) + 1) {
    if (height_of(node.right->right) < height_of(node.right->left)) rotate_right(node.right);
    rotate_left(slot);
  } else {
    node.summarise();
  }
}

// Whether the nodes that rotations would turn, when the subtree at the end of the way loses a level, are this
// tree's alone too: where the other side is higher, its root, and that one's inner child if it is the higher one.
// And the only child, which comes to lie on the way back.
template <class Region, template <class> class Allocation>
bool RegionTree<Region, Allocation>::Path::can_remove() const {
  for (unsigned i = 0; i + 1 < depth; ++i) {
    const Node& node = **links[i];
    const bool from_left = links[i + 1] == &node.left;
    const Link& other = from_left ? node.right : node.left;
    if (height_of(other) <= height_of(from_left ? node.left : node.right)) continue;
    if (other->ref_count() != 1) return false;
    const Link& inner = from_left ? other->left : other->right;
    const Link& outer = from_left ? other->right : other->left;
    if (height_of(inner) > height_of(outer) && inner->ref_count() != 1) return false;
  }
  const Node& end = **links[depth - 1];
  const Link& child = end.left ? end.left : end.right;
  return !child || child->ref_count() == 1;
}

// The way ends at a node with at most one child, whose region, or that of the node above which it stands for, goes.
template <class Region, template <class> class Allocation>
void RegionTree<Region, Allocation>::Path::remove(Removed& removed) {
  Link& slot = *links[depth - 1];
  removed.node = std::move(slot);
  slot = std::move(removed.node->left ? removed.node->left : removed.node->right);
  for (unsigned i = depth - 1; i-- > 0;) rebalance(*links[i]);
}

// Takes the region that starts at `start` out of the tree.
template <class Region, template <class> class Allocation>
bool RegionTree<Region, Allocation>::take_out(uintptr_t start, Removed& removed) {
  Path path;
  if (!path.reach(root_, start)) return false;
  Node& node = path.last();
  // One with two children takes over its successor's region, and the successor's node goes. To put its own region
  // back, the way to its predecessor must be open too.
  if (node.left && node.right) {
    Path back = path;
    if (!back.reach_gap_before() || !path.reach_gap_after()) return false;
  }
  if (!path.can_remove()) return false;
  removed.region = std::move(node.region);
  if (&path.last() != &node) node.region = std::move(path.last().region);
  path.remove(removed);
  return true;
}

template <class Region, template <class> class Allocation>
Result<bool> RegionTree<Region, Allocation>::insert_in_place(const Region& region) {
  const Region* next = at_or_after(region.start);
  if (next != nullptr && next->start < region.end) return false;
  const Region* previous = before(region.start);
  const bool joins_previous = previous != nullptr && previous->can_merge(region);
  const bool joins_next = next != nullptr && region.can_merge(*next);
  if (joins_previous && joins_next) return false;
  Path path;
  if (!path.reach(root_, joins_previous ? previous->start : joins_next ? next->start : region.start)) return false;
  if (joins_previous) {
    path.last().region.end = region.end;
    path.summarise();
  } else if (joins_next) {
    Region joined = region;
    joined.end = next->end;
    path.last().region = std::move(joined);
    path.summarise();
  } else {
    path.insert(TRY(node(nullptr, region, nullptr)));
  }
  return true;
}

template <class Region, template <class> class Allocation>
Result<bool> RegionTree<Region, Allocation>::erase_in_place(uintptr_t start, uintptr_t end) {
  const Region* first = at_or_after(start);
  if (first == nullptr || first->start >= end) return true;
  const bool keeps_below = first->start < start, keeps_above = first->end > end;
  if (keeps_below || keeps_above) {
    // Only where that is the one region concerned.
    const Region* next = keeps_above ? nullptr : at_or_after(first->end);
    if (next != nullptr && next->start < end) return false;
    Path path;
    if (!path.reach(root_, first->start)) return false;
    Node& cut = path.last();
    if (!keeps_below) {
      cut.region.cut_below(end);
      path.summarise();
    } else if (!keeps_above) {
      cut.region.end = start;
      path.summarise();
    } else {
      if (!path.reach_gap_after()) return false;
      Region above = *first;
      above.cut_below(end);
      Link fresh = TRY(node(nullptr, above, nullptr));
      cut.region.end = start;
      path.insert(std::move(fresh));
    }
    return true;
  }
  // Whole regions. If one cannot go in this way, those before it come back.
  constexpr unsigned kMostRemoved = 4;
  Removed removed[kMostRemoved];
  unsigned count = 0;
  for (; first != nullptr && first->start < end; first = at_or_after(start)) {
    if (count != kMostRemoved && first->end <= end && take_out(first->start, removed[count])) {
      ++count;
      continue;
    }
    while (count-- != 0) {
      Node& back = *removed[count].node;
      back.left = back.right = nullptr;
      back.region = std::move(removed[count].region);
      back.summarise();
      Path path;
      const bool open = path.reach(root_, back.region.start);
      DEBUG_ASSERT(open);
      path.insert(std::move(removed[count].node));
    }
    return false;
  }
  return true;
}

// `part` is what [start, end), which lies in one region, becomes.
template <class Region, template <class> class Allocation>
Result<bool> RegionTree<Region, Allocation>::update_in_place(uintptr_t start, uintptr_t end, Region part) {
  const Region* whole = find(start);
  const bool keeps_below = whole->start < start, keeps_above = whole->end > end;
  const Region* previous = keeps_below ? whole : before(start);
  const Region* next = keeps_above ? whole : at_or_after(whole->end);
  Path path;
  if (!path.reach(root_, start) || (keeps_below && keeps_above)) return false;
  Node& old = path.last();

  Region below = *whole, above = *whole;
  below.end = start;
  above.cut_below(end);
  const bool joins_previous = previous != nullptr && (keeps_below ? below : *previous).can_merge(part);
  const bool joins_next = next != nullptr && part.can_merge(keeps_above ? above : *next);
  if (joins_previous && (joins_next || keeps_below)) return false;
  if (joins_next && keeps_above) return false;
  if (!keeps_below && !keeps_above) {
    if (joins_previous || joins_next) return false;
    old.region = std::move(part);
    path.summarise();
    return true;
  }
  if (joins_previous || joins_next) {
    // The neighbour takes the part over.
    Path other;
    if (!other.reach(root_, joins_previous ? previous->start : next->start)) return false;
    Node& neighbour = other.last();
    if (joins_previous) {
      neighbour.region.end = end;
    } else {
      part.end = neighbour.region.end;
      neighbour.region = std::move(part);
    }
    old.region = keeps_below ? std::move(below) : std::move(above);
    other.summarise();
    path.summarise();  // whichever of the two nodes lies deeper, all above it are right now
    return true;
  }
  if (!(keeps_below ? path.reach_gap_after() : path.reach_gap_before())) return false;
  Link fresh = TRY(node(nullptr, part, nullptr));
  old.region = keeps_below ? std::move(below) : std::move(above);
  path.insert(std::move(fresh));
  return true;
}

template <class Region, template <class> class Allocation>
bool RegionTree<Region, Allocation>::resize_in_place(uintptr_t start, uintptr_t new_start, uintptr_t new_end) {
  Path path;
  if (!path.reach(root_, start)) return false;
  Region& region = path.last().region;
  region.start = new_start;
  region.end = new_end;
  path.summarise();
  return true;
}

}  // namespace tine::vm
