// SPDX-License-Identifier: BSD-2-Clause
#include "view/system_name.h"

#include <algorithm>

#include "sync/spinlock.h"

namespace tine::view {
namespace {

struct StoredName {
  char text[kHostNameMax];
  size_t size;
};

constinit sync::Spinlock names_lock{"host name"};
constinit StoredName names[] GUARDED_BY(names_lock) = {{"tine", 4}, {"(none)", 6}};

}  // namespace

std::string_view host_name(HostName which, std::span<char, kHostNameMax> into) {
  sync::SpinGuard guard(names_lock);
  const StoredName& name = names[static_cast<unsigned>(which)];
  std::copy_n(name.text, name.size, into.data());
  return {into.data(), name.size};
}

Result<> set_host_name(HostName which, std::string_view text) {
  if (text.size() > kHostNameMax) return Error(Errno::Inval);
  sync::SpinGuard guard(names_lock);
  StoredName& name = names[static_cast<unsigned>(which)];
  std::copy_n(text.data(), text.size(), name.text);
  name.size = text.size();
  return {};
}

}  // namespace tine::view
