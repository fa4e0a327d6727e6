// SPDX-License-Identifier: BSD-2-Clause
#include "file/veil.h"

#include <algorithm>

#include "file/file_system.h"
#include "file/lookup.h"
#include "file/mount.h"

namespace tine::file {

namespace {

// File systems that make names up have a new inode for each lookup: what stays is its number.
bool is_same(const Inode& a, const Inode& b) {
  return &a == &b || (&a.file_system == &b.file_system && a.number == b.number);
}

bool is_about_the_same(const VeilRule& a, const VeilRule& b) {
  return a.name.view() == b.name.view() && is_same(*a.directory.inode(), *b.directory.inode());
}

// To the directory that this place is in, or that of its mount point. False: it is in none.
bool go_up(Path& place) {
  if (place.entry() == &place.mount()->root() && !cross_to_mount_point(place)) return false;
  Ref<Entry> parent = place.entry()->parent();
  if (parent == nullptr) return false;
  place = Path(Ref<Mount>(place.mount()), std::move(parent));
  return true;
}

// NoEnt for what has no place among the names, such as a pipe.
Result<Path> directory_of(Path place) {
  if (!go_up(place)) return Error(Errno::NoEnt);
  return place;
}

Result<Name> name_of(const Entry& entry) {
  char text[kNameMax];
  size_t size = 0;
  {
    sync::SpinGuard guard(entry_lock);
    size = entry.name_locked().copy(text, sizeof text);
  }
  return Name::make({text, size});
}

Result<Ref<VeilRule>> rule_for_place(const Path& place, VeilRights rights) {
  if (place.inode()->is_directory()) return mem::make_ref<VeilRule>(place, Name(), rights);
  return mem::make_ref<VeilRule>(TRY(directory_of(place)), TRY(name_of(*place.entry())), rights);
}

}  // namespace

Result<Ref<VeilRule>> VeilRule::make(const LookupContext& context, const Path& start, std::string_view path,
                                     VeilRights rights) {
  PathWalk walk(context, kFollowLast);
  TRY(walk.to_parent(start, path));
  while (true) {
    const Result<bool> arrived = walk.step_last();
    if (arrived) {
      if (*arrived) return rule_for_place(walk.place(), rights);
      continue;   // a link led to another last component
    }
    if (arrived.error() != Errno::NoEnt || walk.last() != PathWalk::Last::Name) return Error(arrived.error());
    return mem::make_ref<VeilRule>(walk.directory(), TRY(Name::make(walk.last_name())), rights);
  }
}

Result<Ref<const Veil>> Veil::with(const Veil* old, const Ref<const VeilRule>& rule) {
  Ref<Veil> veil = TRY(mem::make_ref<Veil>());
  if (old != nullptr) {
    std::ranges::copy(old->rules(), veil->rules_);
    veil->count_ = old->count_;
  }
  const std::span known(veil->rules_, veil->count_);
  const auto same = std::ranges::find_if(known, [&](const auto& each) { return is_about_the_same(*each, *rule); });
  if (same != known.end()) {
    *same = rule;
  } else {
    if (veil->count_ == kMostRules) return Error(Errno::TooBig);
    veil->rules_[veil->count_++] = rule;
  }
  return Ref<const Veil>(std::move(veil));
}

const VeilRule* Veil::rule_for_name(const Inode& directory, std::string_view name) const {
  for (const auto& rule : rules())
    if (!name.empty() && rule->name.view() == name && is_same(*rule->directory.inode(), directory)) return rule.get();
  return nullptr;
}

// From a directory up to the root: the first that has a rule of its own.
const VeilRule* Veil::rule_for_tree(const Path& root, Path directory) const {
  while (true) {
    for (const auto& rule : rules())
      if (rule->name.view().empty() && is_same(*rule->directory.inode(), *directory.inode())) return rule.get();
    if (directory == root || !go_up(directory)) return nullptr;
  }
}

Result<> Veil::check_new(const Path& root, const Path& directory, std::string_view name, VeilRights wanted) const {
  const VeilRule* rule = rule_for_name(*directory.inode(), name);
  if (rule == nullptr) rule = rule_for_tree(root, directory);
  return check_veil_rights(rule != nullptr ? rule->rights : 0, wanted);
}

Result<> Veil::check(const Path& root, const Path& place, VeilRights wanted) const {
  if (!place.inode()->is_directory())
    return check_new(root, TRY(directory_of(place)), TRY(name_of(*place.entry())).view(), wanted);
  const VeilRule* rule = rule_for_tree(root, place);
  return check_veil_rights(rule != nullptr ? rule->rights : 0, wanted);
}

}  // namespace tine::file
