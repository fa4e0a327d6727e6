// SPDX-License-Identifier: BSD-2-Clause
#include "view/setting.h"

#include <algorithm>

#include "base/assert.h"
#include "sync/spinlock.h"

namespace tine::view {
namespace {

constinit sync::Spinlock settings_lock{"settings"};
constinit Setting* settings GUARDED_BY(settings_lock) = nullptr;

}  // namespace

void register_setting(Setting& setting) {
  DEBUG_ASSERT(find_setting(setting.path) == nullptr);
  sync::SpinGuard guard(settings_lock);
  Setting** last = &settings;
  while (*last != nullptr) last = &(*last)->next;
  *last = &setting;
}

// The list only grows at its end, so that it can be walked without the lock.
Setting* first_setting() {
  sync::SpinGuard guard(settings_lock);
  return settings;
}

Setting* find_setting(std::string_view name) {
  const auto same = [](char a, char b) { return a == b || (a == '.' && b == '/'); };
  for (Setting* setting = first_setting(); setting != nullptr; setting = setting->next)
    if (std::ranges::equal(name, std::string_view(setting->path), same)) return setting;
  return nullptr;
}

}  // namespace tine::view
