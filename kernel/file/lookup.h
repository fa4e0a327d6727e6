// SPDX-License-Identifier: BSD-2-Clause
// Path lookup: from a string to a place. Checks the right to search every directory on the way, follows symbolic links
// (at most 40), crosses mounts in both directions, and stops at the root of the caller.
// Source: path_resolution(7), openat2(2). No locks are held while walking: each step takes what it needs.
#pragma once

#include <string_view>

#include "base/result.h"
#include "file/entry.h"
#include "file/lookup_guard.h"
#include "file/mount.h"
#include "file/path.h"
#include "identity/credentials.h"
#include "mem/buffer.h"

namespace tine::file {

// For whom one looks: file/ does not know processes.
struct LookupContext {
  Path root;
  const identity::Credentials& credentials;
  LookupGuard* guard = nullptr;   // asked about every path; null: who looks is not restricted
};

enum LookupFlag : uint32_t {
  kFollowLast = 1,            // a symbolic link as the last component
  kWantDirectory = 2,         // NotDir for anything else
  kAllowEmpty = 4,            // AT_EMPTY_PATH: "" is the start itself
  // openat2(2)'s RESOLVE_*, shifted
  kNoCrossMounts = 0x100, kNoMagicLinks = 0x200, kNoSymlinks = 0x400, kBeneath = 0x800, kInRoot = 0x1000,
};
using LookupFlags = uint32_t;

// `start` is where a relative path begins. Errors: NoEnt, NotDir, Acces, Loop, NameTooLong, NoMem; Xdev for kBeneath and
// kNoCrossMounts, Again for kBeneath and kInRoot when something was moved away meanwhile.
Result<Path> lookup(const LookupContext& context, const Path& start, std::string_view path, LookupFlags flags);

// A walk in progress, for callers that treat the last component in their own way.
class PathWalk {
 public:
  PathWalk(const LookupContext& context, LookupFlags flags) : context_(context), flags_(flags) {}

  // Goes to the directory of the last component.
  Result<> to_parent(const Path& start, std::string_view path);

  enum class Last : uint8_t { Root, Dot, DotDot, Name };
  Last last() const;
  std::string_view last_name() const { return last_; }
  bool trailing_slash() const { return trailing_slash_; }
  const Path& directory() const { return here_; }

  // Whether the guard, if there is one, lets the last component be used: what it names, or the name if that is free.
  Result<> check_last();
  // The same for place().
  Result<> check_place() const;

  // Looks the last component up, without following it and without crossing a mount: NoEnt if it is not there.
  Result<Ref<Entry>> find_last();
  // Goes to what the last component is; follows a symbolic link if the flags say so or a slash comes after it. Where
  // that leads to another last component, is again at its parent and gives false: look at it and call again.
  Result<bool> step_last();
  const Path& place() const { return here_; }    // after step_last() gave true

 private:
  Result<> walk_to_last();
  Result<> step(std::string_view name);           // into a directory, no links
  Result<> enter(Path place);                      // crosses mounts
  Result<> up();
  Result<> check_confined() const;
  Result<> follow(const Path& link, std::string_view rest, bool& jumped);
  Result<> to_root();
  Result<> check_search() const;

  const LookupContext& context_;
  LookupFlags flags_;
  LookupGuard::Admission admission_;
  Path here_;
  Path base_;                       // where kBeneath and kInRoot keep the walk
  mem::Buffer<char> text_;          // what is left of the path, once a link was followed
  std::string_view rest_;           // still to walk
  std::string_view last_;
  bool trailing_slash_ = false;
  unsigned links_ = 0;
};

}  // namespace tine::file
