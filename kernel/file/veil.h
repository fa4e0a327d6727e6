// SPDX-License-Identifier: BSD-2-Clause
// Veil: what unveil(2) has left in sight of a process. An immutable table, which fork shares by one reference; every
// unveil(2) makes a new one from it. A rule for a directory holds for all below it, until a rule closer to the place
// says something else; a rule for anything else is a name in a directory, which need not exist. Places are looked at
// where a walk ends, so it does not matter by which links, "..", descriptors or mounts it got there.
// Source: unveil(2) of OpenBSD. Seed row C9.
#pragma once

#include <span>
#include <string_view>

#include "base/ref.h"
#include "file/entry.h"
#include "file/path.h"
#include "file/veil_rights.h"
#include "mem/object_cache.h"

namespace tine::file {

struct LookupContext;

struct VeilRule : RefCounted<VeilRule>, mem::FromCache<VeilRule> {
  VeilRule(Path directory, Name name, VeilRights rights)
      : directory(std::move(directory)), name(std::move(name)), rights(rights) {}
  // What `path` names now, or would name. NoEnt when its directory is not there; NoMem.
  static Result<Ref<VeilRule>> make(const LookupContext& context, const Path& start, std::string_view path,
                                    VeilRights rights);

  const Path directory;
  const Name name;          // in it; empty: the directory itself and all below it
  const VeilRights rights;
};

class Veil : public RefCounted<Veil>, public mem::FromCache<Veil> {
 public:
  static constexpr unsigned kMostRules = 128;

  // `old` (null: no veil yet) with one more rule, which takes the place of an earlier one for the same thing. TooBig, NoMem.
  static Result<Ref<const Veil>> with(const Veil* old, const Ref<const VeilRule>& rule);

  // Whether what is at `place`, seen from `root`, may be used as `wanted` says. NoEnt when no rule holds for it, or one
  // without any right; Acces when the rule that holds has fewer rights.
  Result<> check(const Path& root, const Path& place, VeilRights wanted) const;
  // The same for a name that is free.
  Result<> check_new(const Path& root, const Path& directory, std::string_view name, VeilRights wanted) const;

  unsigned size() const { return count_; }

 private:
  std::span<const Ref<const VeilRule>> rules() const { return {rules_, count_}; }
  const VeilRule* rule_for_name(const Inode& directory, std::string_view name) const;
  const VeilRule* rule_for_tree(const Path& root, Path directory) const;

  unsigned count_ = 0;
  Ref<const VeilRule> rules_[kMostRules];
};

}  // namespace tine::file
