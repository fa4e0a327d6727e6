// SPDX-License-Identifier: BSD-2-Clause
// Names of AF_UNIX sockets: owners, the table of abstract names, names made up by the kernel.
#include "file/unix_address.h"

#include "base/format.h"
#include "base/late.h"
#include "file/unix_endpoint.h"

namespace tine::file {

Ref<UnixEndpoint> UnixAddress::owner() const {
  sync::SpinGuard guard(lock_);
  if (owner_ == nullptr || !owner_->try_ref()) return nullptr;
  return Ref<UnixEndpoint>(owner_, false);
}

void UnixAddress::set_owner(UnixEndpoint* owner) {
  sync::SpinGuard guard(lock_);
  owner_ = owner;
}

namespace {

struct NameOf {
  using type = std::string_view;
  type operator()(const UnixAddress& address) const { return address.name(); }
};
using Names = boost::intrusive::set<UnixAddress, boost::intrusive::key_of_value<NameOf>>;

sync::Spinlock table_lock{"unix names"};
Late<Names> table GUARDED_BY(table_lock);
bool table_made GUARDED_BY(table_lock) = false;

Names& names() REQUIRES(table_lock) {
  if (!table_made) table.construct();
  table_made = true;
  return *table;
}

}  // namespace

Result<> publish_abstract(UnixAddress& address) {
  sync::SpinGuard guard(table_lock);
  if (!names().insert(address).second) return Error(Errno::AddrInUse);
  return {};
}

void withdraw_abstract(UnixAddress& address) {
  sync::SpinGuard guard(table_lock);
  names().erase(names().iterator_to(address));
}

Ref<UnixEndpoint> find_abstract(std::string_view name) {
  Ref<UnixAddress> address;
  {
    sync::SpinGuard guard(table_lock);
    const auto found = names().find(name);
    if (found == names().end()) return nullptr;
    address = &*found;
  }
  return address->owner();
}

Result<Ref<UnixAddress>> make_unused_abstract() {
  constexpr unsigned kNames = 1u << 20;  // five hexadecimal digits
  static std::atomic<unsigned> next{0};
  for (unsigned i = 0; i < kNames; i++) {
    char name[8] = {};
    format(std::span(name + 1, 7), "%05x", next.fetch_add(1) % kNames);
    auto address = TRY(mem::make_ref<UnixAddress>(std::string_view(name, 6)));
    if (publish_abstract(*address)) return address;
  }
  return Error(Errno::NoSpc);
}

}  // namespace tine::file
