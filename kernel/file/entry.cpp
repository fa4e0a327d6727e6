// SPDX-License-Identifier: BSD-2-Clause
#include "file/entry.h"

#include <cstring>

namespace tine::file {

constinit sync::Spinlock entry_lock{"entry"};

Result<Name> Name::make(std::string_view text) {
  if (text.size() > kNameMax) return Error(Errno::NameTooLong);
  Name name;
  name.size_ = static_cast<uint8_t>(text.size());
  char* into = name.short_;
  if (text.size() > kShort) {
    name.long_ = TRY(mem::Buffer<char>::make(text.size()));
    into = name.long_.data();
  }
  std::memcpy(into, text.data(), text.size());
  return name;
}

Result<Ref<Entry>> Entry::make(Ref<Entry> parent, std::string_view text, Ref<Inode> inode) {
  Name name = TRY(Name::make(text));
  return mem::make_ref<Entry>(std::move(parent), std::move(name), std::move(inode));
}

Entry::Entry(Ref<Entry> parent, Name name, Ref<Inode> inode)
    : parent_(std::move(parent)), name_(std::move(name)), inode_(std::move(inode)) {}

// Whoever leaves a deep removed directory holds the only reference to a long chain of parents. They are let go one by
// one here; a recursion would overflow the kernel stack.
Entry::~Entry() {
  Ref<Entry> up = std::move(parent_);
  while (up != nullptr && up->ref_count() == 1) {
    Ref<Entry> above = std::move(up->parent_);
    up = std::move(above);
  }
}

Ref<Entry> Entry::parent() const {
  sync::SpinGuard guard(entry_lock);
  return parent_;
}

bool is_ancestor(const Entry& ancestor, const Entry& entry) {
  sync::SpinGuard guard(entry_lock);
  for (const Entry* at = &entry; at != nullptr; at = at->parent_locked())
    if (at == &ancestor) return true;
  return false;
}

}  // namespace tine::file
