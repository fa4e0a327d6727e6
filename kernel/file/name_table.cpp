// SPDX-License-Identifier: BSD-2-Clause
#include "file/name_table.h"

#include <functional>

namespace tine::file {

// Both tables' locks, in order of address; once when they are the same.
class SCOPED_CAPABILITY NameTable::PairGuard {
 public:
  PairGuard(NameTable& a, NameTable& b) ACQUIRE(a.lock_, b.lock_) NO_THREAD_SAFETY_ANALYSIS
      : first_(std::less<>()(&a, &b) ? a : b), second_(&first_ == &a ? b : a) {
    first_.lock_.lock();
    if (&first_ != &second_) second_.lock_.lock();
  }
  ~PairGuard() RELEASE() NO_THREAD_SAFETY_ANALYSIS {
    if (&first_ != &second_) second_.lock_.unlock();
    first_.lock_.unlock();
  }

 private:
  NameTable& first_;
  NameTable& second_;
};

NameTable::~NameTable() { DEBUG_ASSERT(empty()); }

Ref<Entry> NameTable::find(std::string_view name) const {
  sync::SpinGuard guard(lock_);
  const auto found = names_.find(name);
  return found == names_.end() ? nullptr : Ref<Entry>(const_cast<Entry*>(&*found));
}

Result<NameTable::Position> NameTable::next_after(uint64_t cookie) const {
  char text[kNameMax];
  size_t size = 0;
  Position position;
  {
    sync::SpinGuard guard(lock_);
    const auto found = order_.upper_bound(cookie);
    if (found == order_.end()) return position;
    position.entry = Ref<Entry>(const_cast<Entry*>(&*found));
    position.cookie = found->cookie_;
    size = found->name_locked().copy(text, sizeof(text));
  }
  position.name = TRY(Name::make({text, size}));
  return position;
}

bool NameTable::empty() const {
  sync::SpinGuard guard(lock_);
  return names_.empty();
}

Ref<Entry> NameTable::first() const {
  sync::SpinGuard guard(lock_);
  return names_.empty() ? nullptr : Ref<Entry>(const_cast<Entry*>(&*names_.begin()));
}

void NameTable::link_locked(Entry& entry) {
  names_.insert(entry);
  entry.cookie_ = ++last_cookie_;
  order_.insert(order_.end(), entry);
}

void NameTable::unlink_locked(Entry& entry) {
  names_.erase(names_.iterator_to(entry));
  order_.erase(order_.iterator_to(entry));
}

void NameTable::insert(Ref<Entry> entry) {
  sync::SpinGuard guard(lock_);
  link_locked(*entry.detach());
}

void NameTable::remove(Entry& entry) {
  {
    sync::SpinGuard guard(lock_);
    unlink_locked(entry);
    entry.mark_removed();
  }
  Ref<Entry> held(&entry, /*add_ref=*/false);   // the table's reference; the caller has another
}

void NameTable::rename(Entry& entry, NameTable& to, Entry& to_directory, Name name, Entry* replaced) {
  Ref<Entry> old_parent;
  Ref<Entry> old_entry;
  {
    PairGuard guard(*this, to);
    unlink_locked(entry);
    if (replaced != nullptr) {
      to.unlink_locked(*replaced);
      replaced->mark_removed();
      old_entry.reset(replaced, /*add_ref=*/false);
    }
    {
      sync::SpinGuard names(entry_lock);
      std::swap(entry.name_, name);
      if (entry.parent_.get() != &to_directory) {
        old_parent = std::move(entry.parent_);
        entry.parent_ = Ref<Entry>(&to_directory);
      }
    }
    to.link_locked(entry);
  }
}

void NameTable::exchange(NameTable& a_table, Entry& a, NameTable& b_table, Entry& b) {
  PairGuard guard(a_table, b_table);
  a_table.unlink_locked(a);
  b_table.unlink_locked(b);
  {
    sync::SpinGuard names(entry_lock);
    std::swap(a.name_, b.name_);
    std::swap(a.parent_, b.parent_);
  }
  a_table.link_locked(b);
  b_table.link_locked(a);
}

}  // namespace tine::file
