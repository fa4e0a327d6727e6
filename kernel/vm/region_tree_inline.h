// SPDX-License-Identifier: BSD-2-Clause
// The region tree's algorithms; region_tree.h includes this file at its end.
#pragma once

namespace tine::vm {

// --- Looking ---

template <class Region, template <class> class Allocation>
const Region* RegionTree<Region, Allocation>::at_or_after(uintptr_t address) const {
  const Region* best = nullptr;
  for (const Node* at = root_.get(); at != nullptr;) {
    if (at->region.end > address) {
      best = &at->region;
      at = at->left.get();
    } else {
      at = at->right.get();
    }
  }
  return best;
}

template <class Region, template <class> class Allocation>
const Region* RegionTree<Region, Allocation>::before(uintptr_t address) const {
  const Region* best = nullptr;
  for (const Node* at = root_.get(); at != nullptr;) {
    if (at->region.start < address) {
      best = &at->region;
      at = at->right.get();
    } else {
      at = at->left.get();
    }
  }
  return best;
}

template <class Region, template <class> class Allocation>
bool RegionTree<Region, Allocation>::covers(uintptr_t start, uintptr_t end) const {
  uintptr_t covered = start;
  for_each(start, end, [&](const Region& region) {
    if (region.start <= covered) covered = region.end;
  });
  return covered >= end;
}

// The free space of a subtree, and around it up to its neighbours, lies in [low, high). Only the paths along
// the ends of that range can fail after a promising summary, so the search is O(log n).
template <class Region, template <class> class Allocation>
std::optional<uintptr_t> RegionTree<Region, Allocation>::high_gap(const Node* node, uintptr_t low,
                                                                  uintptr_t high, uint64_t size) {
  if (high < size || low > high - size) return {};
  if (node == nullptr) return high - size;
  const uint64_t above = high > node->end ? high - node->end : 0;
  const uint64_t below = node->start > low ? node->start - low : 0;
  if (std::max({above, below, node->largest_gap}) < size) return {};
  if (const auto found = high_gap(node->right.get(), std::max(low, node->region.end), high, size))
    return found;
  return high_gap(node->left.get(), low, std::min(high, node->region.start), size);
}

template <class Region, template <class> class Allocation>
std::optional<uintptr_t> RegionTree<Region, Allocation>::low_gap(const Node* node, uintptr_t low,
                                                                 uintptr_t high, uint64_t size) {
  if (high < size || low > high - size) return {};
  if (node == nullptr) return low;
  const uint64_t above = high > node->end ? high - node->end : 0;
  const uint64_t below = node->start > low ? node->start - low : 0;
  if (std::max({above, below, node->largest_gap}) < size) return {};
  if (const auto found = low_gap(node->left.get(), low, std::min(high, node->region.start), size))
    return found;
  return low_gap(node->right.get(), std::max(low, node->region.end), high, size);
}

// --- Joining and splitting ---

// Two balanced trees whose heights differ by at most two become one, by at most two rotations.
template <class Region, template <class> class Allocation>
auto RegionTree<Region, Allocation>::balanced(Link left, const Region& region, Link right) -> Result<Link> {
  if (height_of(left) > height_of(right) + 1) {
    if (height_of(left->left) >= height_of(left->right))
      return node(left->left, left->region, TRY(node(left->right, region, std::move(right))));
    const Link middle = left->right;
    return node(TRY(node(left->left, left->region, middle->left)), middle->region,
                TRY(node(middle->right, region, std::move(right))));
  }
  if (height_of(right) > height_of(left) + 1) {
    if (height_of(right->right) >= height_of(right->left))
      return node(TRY(node(std::move(left), region, right->left)), right->region, right->right);
    const Link middle = right->left;
    return node(TRY(node(std::move(left), region, middle->left)), middle->region,
                TRY(node(middle->right, right->region, right->right)));
  }
  return node(std::move(left), region, std::move(right));
}

template <class Region, template <class> class Allocation>
auto RegionTree<Region, Allocation>::join(Link left, const Region& region, Link right) -> Result<Link> {
  if (height_of(left) > height_of(right) + 1)
    return balanced(left->left, left->region, TRY(join(left->right, region, std::move(right))));
  if (height_of(right) > height_of(left) + 1)
    return balanced(TRY(join(std::move(left), region, right->left)), right->region, right->right);
  return node(std::move(left), region, std::move(right));
}

template <class Region, template <class> class Allocation>
auto RegionTree<Region, Allocation>::join(Link left, Link right) -> Result<Link> {
  if (!left) return right;
  if (!right) return left;
  const Popped last = TRY(pop_last(left));
  return join(last.rest, *last.region, std::move(right));
}

template <class Region, template <class> class Allocation>
auto RegionTree<Region, Allocation>::pop_first(const Link& tree) -> Result<Popped> {
  if (!tree->left) return Popped{tree->right, &tree->region};
  Popped popped = TRY(pop_first(tree->left));
  popped.rest = TRY(balanced(std::move(popped.rest), tree->region, tree->right));
  return popped;
}

template <class Region, template <class> class Allocation>
auto RegionTree<Region, Allocation>::pop_last(const Link& tree) -> Result<Popped> {
  if (!tree->right) return Popped{tree->left, &tree->region};
  Popped popped = TRY(pop_last(tree->right));
  popped.rest = TRY(balanced(tree->left, tree->region, std::move(popped.rest)));
  return popped;
}

// What lies below and above an address; a region across it is cut in two. Not recursive, as walk() is not.
template <class Region, template <class> class Allocation>
auto RegionTree<Region, Allocation>::split(const Link& tree, uintptr_t address) -> Result<Split> {
  const auto is_cut = [address](const auto& range) { return range.start < address && address < range.end; };
  const Node* path[kMostLevels];
  unsigned depth = 0;
  const Link* at = &tree;
  for (; *at && is_cut(**at) && !is_cut((*at)->region); ++depth) {
    path[depth] = at->get();
    at = address <= path[depth]->region.start ? &path[depth]->left : &path[depth]->right;
  }
  Split halves;
  if (*at && is_cut(**at)) {
    Region low = (*at)->region;
    Region high = low;
    low.end = address;
    high.cut_below(address);
    halves.below = TRY(join((*at)->left, low, nullptr));
    halves.above = TRY(join(nullptr, high, (*at)->right));
  } else {
    (*at && address <= (*at)->start ? halves.above : halves.below) = *at;
  }
  while (depth-- != 0) {
    const Node& node = *path[depth];
    if (address <= node.region.start) halves.above = TRY(join(std::move(halves.above), node.region, node.right));
    else halves.below = TRY(join(node.left, node.region, std::move(halves.below)));
  }
  return halves;
}

// --- Changing ---

template <class Region, template <class> class Allocation>
auto RegionTree<Region, Allocation>::join_merged(Link below, Region region, Link above) -> Result<Link> {
  if (below && last_of(below.get())->can_merge(region)) {
    const Popped last = TRY(pop_last(below));
    Region merged = *last.region;
    merged.end = region.end;
    region = std::move(merged);
    below = last.rest;
  }
  if (above && region.can_merge(*first_of(above.get()))) {
    const Popped first = TRY(pop_first(above));
    region.end = first.region->end;
    above = first.rest;
  }
  return join(std::move(below), region, std::move(above));
}

template <class Region, template <class> class Allocation>
Result<> RegionTree<Region, Allocation>::insert(Region region) {
  if (TRY(insert_in_place(region))) return {};
  const uintptr_t end = region.end;
  Split low = TRY(split(root_, region.start));
  Split high = TRY(split(low.above, end));
  root_ = TRY(join_merged(std::move(low.below), std::move(region), std::move(high.above)));
  return {};
}

template <class Region, template <class> class Allocation>
Result<> RegionTree<Region, Allocation>::erase(uintptr_t start, uintptr_t end) {
  if (TRY(erase_in_place(start, end))) return {};
  Split low = TRY(split(root_, start));
  Split high = TRY(split(low.above, end));
  root_ = TRY(join(std::move(low.below), std::move(high.above)));
  return {};
}

template <class Region, template <class> class Allocation>
template <class Change>
Result<> RegionTree<Region, Allocation>::update(uintptr_t start, uintptr_t end, Change&& change) {
  if (const Region* only = find(start); only != nullptr && only->end >= end) {
    Region part = *only;
    part.cut_below(start);
    part.end = end;
    change(part);
    if (TRY(update_in_place(start, end, std::move(part)))) return {};
  }
  Split low = TRY(split(root_, start));
  Split high = TRY(split(low.above, end));
  if (!high.below) return {};
  Link changed = TRY(update_all(high.below.get(), std::move(low.below), change));
  if (!high.above) {
    root_ = std::move(changed);
    return {};
  }
  const Popped first = TRY(pop_first(high.above));
  root_ = TRY(join_merged(std::move(changed), *first.region, first.rest));
  return {};
}

// `result` with the changed regions of the tree `node` at its end.
template <class Region, template <class> class Allocation>
template <class Change>
auto RegionTree<Region, Allocation>::update_all(const Node* node, Link result, Change& change)
    -> Result<Link> {
  if (node->left) result = TRY(update_all(node->left.get(), std::move(result), change));
  Region region = node->region;
  Region::pause();
  change(region);
  result = TRY(join_merged(std::move(result), std::move(region), nullptr));
  if (node->right) result = TRY(update_all(node->right.get(), std::move(result), change));
  return result;
}

template <class Region, template <class> class Allocation>
Result<> RegionTree<Region, Allocation>::resize(uintptr_t start, uintptr_t new_start, uintptr_t new_end) {
  if (!resize_in_place(start, new_start, new_end)) root_ = TRY(resized(root_, start, new_start, new_end));
  return {};
}

template <class Region, template <class> class Allocation>
auto RegionTree<Region, Allocation>::resized(const Link& tree, uintptr_t start, uintptr_t new_start,
                                             uintptr_t new_end) -> Result<Link> {
  if (start < tree->region.start)
    return node(TRY(resized(tree->left, start, new_start, new_end)), tree->region, tree->right);
  if (start > tree->region.start)
    return node(tree->left, tree->region, TRY(resized(tree->right, start, new_start, new_end)));
  Region region = tree->region;
  region.start = new_start;
  region.end = new_end;
  return node(tree->left, region, tree->right);
}

// --- Checking ---

template <class Region, template <class> class Allocation>
template <class Visit>
void RegionTree<Region, Allocation>::visit_nodes(const Node* node, Visit& visit) {
  if (node == nullptr || !visit(static_cast<const void*>(node), node->ref_count())) return;
  visit_nodes(node->left.get(), visit);
  visit_nodes(node->right.get(), visit);
}

template <class Region, template <class> class Allocation>
unsigned RegionTree<Region, Allocation>::verify_in(const Node* node) {
  if (node == nullptr) return 0;
  Node expected(node->left, node->region, node->right);
  bool good = node->region.start < node->region.end;
  good = good && (!node->left || node->left->end <= node->region.start);
  good = good && (!node->right || node->region.end <= node->right->start);
  good = good && height_of(node->left) <= height_of(node->right) + 1;
  good = good && height_of(node->right) <= height_of(node->left) + 1;
  good = good && expected.height == node->height && expected.count == node->count &&
         expected.special_count == node->special_count && expected.pages == node->pages &&
         expected.data_pages == node->data_pages && expected.filter_bits == node->filter_bits && expected.start == node->start &&
         expected.end == node->end && expected.largest_gap == node->largest_gap;
  return !good + verify_in(node->left.get()) + verify_in(node->right.get());
}

}  // namespace tine::vm
