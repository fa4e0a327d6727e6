// SPDX-License-Identifier: BSD-2-Clause
// NameTable: the entries of a directory whose names are kept in memory: one tree by name for lookup, one by a number
// that each entry gets when it is added, for reading the directory. A reader goes on after the number that it saw last,
// so its position stays valid whatever is added or removed meanwhile. The table holds a reference to each entry.
// Locks: the table's spinlock; two tables are taken in order of address. Changes are serialised by names_lock of the
// file system, which callers of everything but find and next_after hold.
#pragma once

#include "file/entry.h"

namespace tine::file {

struct ByName {
  using type = std::string_view;
  std::string_view operator()(const Entry& entry) const { return entry.name_locked(); }
};
struct ByCookie {
  using type = uint64_t;
  uint64_t operator()(const Entry& entry) const { return entry.cookie_; }
};

class NameTable {
 public:
  NameTable() = default;
  ~NameTable();                                        // must be empty

  Ref<Entry> find(std::string_view name) const;        // null: none
  struct Position {
    Ref<Entry> entry;                                  // null: the end
    Name name;
    uint64_t cookie = 0;
  };
  // The first entry with a number > `cookie`, and a copy of its name. NoMem.
  Result<Position> next_after(uint64_t cookie) const;
  bool empty() const;
  Ref<Entry> first() const;                            // any entry; null when empty

  void insert(Ref<Entry> entry);                       // its name is not in the table
  void remove(Entry& entry);                           // marks it as removed
  // Moves `entry` of this table to `to` under `name`, taking the place of `replaced` (in `to`; may be null) in one step.
  void rename(Entry& entry, NameTable& to, Entry& to_directory, Name name, Entry* replaced);
  // Two entries change places.
  static void exchange(NameTable& a_table, Entry& a, NameTable& b_table, Entry& b);

 private:
  using Names = boost::intrusive::set<
      Entry, boost::intrusive::key_of_value<ByName>,
      boost::intrusive::member_hook<Entry, boost::intrusive::set_member_hook<>, &Entry::name_hook_>,
      boost::intrusive::constant_time_size<false>>;
  using Order = boost::intrusive::set<
      Entry, boost::intrusive::key_of_value<ByCookie>,
      boost::intrusive::member_hook<Entry, boost::intrusive::set_member_hook<>, &Entry::cookie_hook_>,
      boost::intrusive::constant_time_size<false>>;
  class PairGuard;

  void link_locked(Entry& entry) REQUIRES(lock_);
  void unlink_locked(Entry& entry) REQUIRES(lock_);

  mutable sync::Spinlock lock_{"directory"};
  Names names_ GUARDED_BY(lock_);
  Order order_ GUARDED_BY(lock_);
  uint64_t last_cookie_ GUARDED_BY(lock_) = 2;         // 0 to 2 are for "." and ".."
};

}  // namespace tine::file
