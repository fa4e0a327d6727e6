// SPDX-License-Identifier: BSD-2-Clause
// The table holds no references: a record whose last one is gone stays in it until its destructor runs, and lookups
// pass over it (try_ref). For that moment a new record of the same id may stand beside it, hence a multiset.
#include "identity/user_record.h"

#include <boost/intrusive/unordered_set.hpp>

#include "base/late.h"
#include "sync/spinlock.h"

namespace tine::identity {
namespace {

struct UidOf {
  using type = Uid;
  Uid operator()(const UserRecord& record) const { return record.uid; }
};
struct HashUid {
  size_t operator()(Uid uid) const { return uid * size_t{0x9e3779b1} >> 8; }
};

constexpr size_t kBuckets = 64;
using Table = boost::intrusive::unordered_multiset<
    UserRecord, boost::intrusive::key_of_value<UidOf>, boost::intrusive::hash<HashUid>,
    boost::intrusive::power_2_buckets<true>, boost::intrusive::constant_time_size<false>>;

constinit sync::Spinlock user_table_lock{"user table"};
Late<Table::bucket_type[kBuckets]> buckets;
Late<Table> table GUARDED_BY(user_table_lock);
bool table_made GUARDED_BY(user_table_lock) = false;

Table& made_table() REQUIRES(user_table_lock) {
  if (!table_made) {
    auto* first = reinterpret_cast<Table::bucket_type*>(&*buckets);
    for (size_t i = 0; i < kBuckets; i++) new (static_cast<void*>(first + i)) Table::bucket_type();
    table.construct(Table::bucket_traits(first, kBuckets));
    table_made = true;
  }
  return *table;
}

Ref<UserRecord> find_locked(Uid uid) REQUIRES(user_table_lock) {
  auto [first, last] = made_table().equal_range(uid);
  for (auto it = first; it != last; ++it)
    if (it->try_ref()) return Ref<UserRecord>(&*it, /*add_ref=*/false);
  return nullptr;
}

}  // namespace

UserRecord::~UserRecord() {
  sync::SpinGuard guard(user_table_lock);
  if (is_linked()) made_table().erase(made_table().iterator_to(*this));
}

uint64_t UserRecord::bytes_kept_for_processes() const {
  uint64_t bytes = 0;
  for (size_t i = 0; i < kKeptKinds; i++)
    if (!kKept[i].lasting) bytes += held(static_cast<Kept>(i)) * kKept[i].bytes;
  return bytes;
}

Ref<UserRecord> next_user(Uid uid) {
  sync::SpinGuard guard(user_table_lock);
  UserRecord* next = nullptr;
  for (UserRecord& user : made_table())
    if (user.uid >= uid && (next == nullptr || user.uid < next->uid) && user.ref_count() != 0) next = &user;
  return next != nullptr && next->try_ref() ? Ref<UserRecord>(next, /*add_ref=*/false) : nullptr;
}

Result<Ref<UserRecord>> find_or_make_user(Uid uid) {
  {
    sync::SpinGuard guard(user_table_lock);
    if (Ref<UserRecord> found = find_locked(uid)) return found;
  }
  Ref<UserRecord> fresh = TRY(mem::make_ref<UserRecord>(uid));
  Ref<UserRecord> found;
  {
    sync::SpinGuard guard(user_table_lock);
    found = find_locked(uid);   // somebody may have been faster
    if (found == nullptr) made_table().insert(*fresh);
  }
  return found != nullptr ? found : fresh;
}

}  // namespace tine::identity
