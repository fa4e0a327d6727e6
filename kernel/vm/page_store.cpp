// SPDX-License-Identifier: BSD-2-Clause
#include "vm/page_store.h"

#include <algorithm>
#include <cstring>

#include "mem/object_cache.h"
#include "sched/scheduler.h"

namespace tine::vm {
namespace {

constexpr unsigned kBits = 6;
constexpr unsigned kWays = 1u << kBits;

// Pages below one slot of a node at `level`; level 1 nodes hold pages.
constexpr uint64_t pages_per_slot(unsigned level) { return uint64_t{1} << (kBits * (level - 1)); }
constexpr unsigned slot_index(unsigned level, uint64_t index) {
  return static_cast<unsigned>(index >> (kBits * (level - 1))) & (kWays - 1);
}

}  // namespace

struct PageStore::Node : mem::FromCache<PageStore::Node> {
  void* slots[kWays] = {};
  unsigned used = 0;
};

mem::Frame* PageStore::get(uint64_t index) const {
  if (index >= pages_per_slot(height_ + 1)) return nullptr;
  void* at = root_;
  for (unsigned level = height_; level > 0 && at != nullptr; --level)
    at = static_cast<Node*>(at)->slots[slot_index(level, index)];
  return static_cast<mem::Frame*>(at);
}

void PageStore::get_range(uint64_t first, std::span<mem::Frame*> into) const {
  while (!into.empty()) {
    // As many as lie in one node of the lowest level.
    const std::span<mem::Frame*> part = into.first(std::min<size_t>(into.size(), kWays - first % kWays));
    const void* at = first < pages_per_slot(height_ + 1) ? root_ : nullptr;
    for (unsigned level = height_; level > 1 && at != nullptr; --level)
      at = static_cast<const Node*>(at)->slots[slot_index(level, first)];
    std::ranges::fill(part, nullptr);
    if (at != nullptr) {
      void* const* pages = height_ == 0 ? &root_ : static_cast<const Node*>(at)->slots + first % kWays;
      const size_t present = height_ == 0 ? 1 : part.size();
      for (size_t i = 0; i < present; ++i)
        if ((part[i] = static_cast<mem::Frame*>(pages[i])) != nullptr) mem::reference(*part[i]);
    }
    first += part.size();
    into = into.subspan(part.size());
  }
}

// The slot of a page, with the nodes to it. Counts a null slot as filled from here on.
Result<mem::Frame**> PageStore::slot_for(uint64_t index) {
  if (index >= kMaxPages) return Error(Errno::FBig);
  while (index >= pages_per_slot(height_ + 1)) {
    if (root_ != nullptr) {
      Node* top = TRY(mem::make<Node>());
      top->slots[0] = root_;
      top->used = 1;
      root_ = top;
    }
    ++height_;
  }
  void** at = &root_;
  Node* above = nullptr;
  for (unsigned level = height_; level > 0; --level) {
    if (*at == nullptr) {
      *at = TRY(mem::make<Node>());
      if (above != nullptr) ++above->used;
    }
    above = static_cast<Node*>(*at);
    at = &above->slots[slot_index(level, index)];
  }
  if (*at == nullptr) {
    ++count_;
    if (above != nullptr) ++above->used;
  }
  return reinterpret_cast<mem::Frame**>(at);
}

Result<> PageStore::put(uint64_t index, mem::Frame& page) {
  const Result<mem::Frame**> slot = slot_for(index);
  if (!slot) {
    mem::release(page);
    return Error(slot.error());
  }
  ASSERT(**slot == nullptr);
  **slot = &page;
  return {};
}

Result<mem::Frame*> PageStore::get_or_make(uint64_t index) {
  if (mem::Frame* page = get(index)) return page;
  mem::Frame* page = TRY(mem::allocate_frame(mem::FrameUse::File, mem::Contents::Zeroed));
  TRY(put(index, *page));
  return page;
}

Result<mem::Frame*> PageStore::get_writable(uint64_t index) {
  mem::Frame* page = TRY(get_or_make(index));
  if (page->use != mem::FrameUse::Pinned) return page;
  mem::Frame* copy = TRY(mem::allocate_frame(mem::FrameUse::File, mem::Contents::Undefined));
  std::memcpy(mem::contents_of(*copy), mem::contents_of(*page), mem::kPageSize);
  **slot_for(index) = copy;  // the path is there
  return copy;
}

void PageStore::remove(uint64_t first, uint64_t last) {
  if (root_ != nullptr && first < last) remove_in(root_, height_, 0, first, last);
  if (root_ == nullptr) height_ = 0;
}

// `slot` spans the pages from `base` on and is not null; it is null afterwards if nothing is left.
void PageStore::remove_in(void*& slot, unsigned level, uint64_t base, uint64_t first, uint64_t last) {
  if (level == 0) {
    if (base < first || base >= last) return;
    mem::release(*static_cast<mem::Frame*>(slot));
    slot = nullptr;
    --count_;
    return;
  }
  Node* node = static_cast<Node*>(slot);
  const uint64_t step = pages_per_slot(level);
  for (unsigned i = 0; i < kWays && node->used != 0; ++i) {
    const uint64_t start = base + i * step;
    if (node->slots[i] == nullptr || start >= last || start + step <= first) continue;
    remove_in(node->slots[i], level - 1, start, first, last);
    if (node->slots[i] == nullptr) --node->used;
  }
  if (level == 1) sched::maybe_yield();
  if (node->used != 0) return;
  delete node;
  slot = nullptr;
}

uint64_t PageStore::next_present(uint64_t index) const {
  return root_ == nullptr ? kMaxPages : next_in(root_, height_, 0, index);
}

uint64_t PageStore::next_in(const void* slot, unsigned level, uint64_t base, uint64_t from) {
  if (level == 0) return base >= from ? base : kMaxPages;
  const Node* node = static_cast<const Node*>(slot);
  const uint64_t step = pages_per_slot(level);
  for (unsigned i = 0; i < kWays; ++i) {
    const uint64_t start = base + i * step;
    if (node->slots[i] == nullptr || start + step <= from) continue;
    const uint64_t found = next_in(node->slots[i], level - 1, start, from);
    if (found != kMaxPages) return found;
  }
  return kMaxPages;
}

}  // namespace tine::vm
