// SPDX-License-Identifier: BSD-2-Clause
// Names of AF_UNIX sockets: a path (the name is attached to the inode of the socket file), an abstract name
// (a table), or none. A name points to the socket bound to it without a reference; the socket takes itself
// off when it closes. Source: unix(7). Lock: the name's spinlock, and the table's; neither inside the other,
// both before nothing.
#pragma once

#include <boost/intrusive/set.hpp>
#include <cstring>
#include <span>
#include <string_view>

#include "file/inode.h"
#include "mem/object_cache.h"
#include "sync/spinlock.h"

namespace tine::file {

class UnixEndpoint;

inline constexpr uint16_t kFamilyUnix = 1;
inline constexpr size_t kUnixPathMax = 108;

class UnixAddress final : public Attachment,
                          public mem::FromCache<UnixAddress>,
                          public boost::intrusive::set_base_hook<> {
 public:
  // `name`: sun_path as given, without what follows a path's terminating 0. An abstract name starts with 0.
  explicit UnixAddress(std::string_view name) : size_(name.size()) {
    memcpy(name_, name.data(), name.size());
  }

  bool is_abstract() const { return size_ != 0 && name_[0] == 0; }
  std::string_view name() const { return {name_, size_}; }

  // Whose name it is, or null: that socket has closed.
  Ref<UnixEndpoint> owner() const;
  void set_owner(UnixEndpoint* owner);

 private:
  const size_t size_;
  char name_[kUnixPathMax];
  mutable sync::Spinlock lock_{"unix address"};
  UnixEndpoint* owner_ GUARDED_BY(lock_) = nullptr;
};

// The abstract names. The table holds no references: an address leaves it before its socket lets go of it.
Result<> publish_abstract(UnixAddress& address);  // AddrInUse
void withdraw_abstract(UnixAddress& address);
Ref<UnixEndpoint> find_abstract(std::string_view name);
// An address with a name of its own that nobody uses (autobind); published.
Result<Ref<UnixAddress>> make_unused_abstract();

}  // namespace tine::file
