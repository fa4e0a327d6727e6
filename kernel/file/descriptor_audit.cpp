// SPDX-License-Identifier: BSD-2-Clause
#include "file/descriptor_audit.h"

namespace tine::file {

void DescriptorAudit::add(const DescriptorTable& table) {
  tables_++;
  const DescriptorTable::Tree tree = table.snapshot();
  unsigned files = 0;
  for (int at = 0; (at = tree.next_used(static_cast<unsigned>(at))) >= 0; at++) files++;
  if (files != tree.count()) report_.problem("a table counts %u descriptors, %u found", tree.count(), files);

  bool is_root = true;     // its references include our own snapshot
  tree.for_each_node([&](const void* node, uint32_t references) {
    references -= is_root;
    is_root = false;
    Seen* place = make_room() ? find(node) : nullptr;
    if (place == nullptr) {
      gave_up_ = true;
      return false;
    }
    const bool first_time = place->node == nullptr;
    if (first_time) {
      *place = {node, references, 0};
      used_++;
    }
    place->holders++;
    return first_time;     // what is below a shared node belongs to that node, not to each of its holders
  });
}

void DescriptorAudit::finish() {
  if (gave_up_) {
    report_.problem("too little memory to check %u tables", tables_);
    return;
  }
  for (const Seen& seen : seen_.span())
    if (seen.node != nullptr && seen.references != seen.holders)
      report_.problem("a node has %u references, %u holders found", seen.references, seen.holders);
}

bool DescriptorAudit::make_room() {
  constexpr size_t kFirst = 1024;
  if (used_ * 2 < seen_.size()) return true;
  auto bigger = mem::Buffer<Seen>::make_zeroed(seen_.empty() ? kFirst : seen_.size() * 2);
  if (!bigger) return false;
  std::swap(seen_, *bigger);
  for (const Seen& old : bigger->span())
    if (old.node != nullptr) *find(old.node) = old;
  return true;
}

DescriptorAudit::Seen* DescriptorAudit::find(const void* node) {
  if (seen_.empty()) return nullptr;
  size_t at = (reinterpret_cast<uintptr_t>(node) >> 4) * 0x9e3779b97f4a7c15 % seen_.size();
  while (seen_[at].node != nullptr && seen_[at].node != node) at = (at + 1) % seen_.size();
  return &seen_[at];
}

}  // namespace tine::file
