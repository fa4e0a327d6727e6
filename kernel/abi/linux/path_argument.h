// SPDX-License-Identifier: BSD-2-Clause
// Path arguments of system calls: the text from user memory, the directory it starts from, and for whom it is looked up.
#pragma once

#include "abi/linux/descriptors.h"
#include "abi/linux/syscall.h"
#include "file/lookup.h"
#include "file/open.h"

namespace tine::abi::linux_abi {

inline constexpr int kAtCwd = -100;
inline constexpr uint32_t kAtSymlinkNoFollow = 0x100, kAtEaccess = 0x200, kAtRemoveDir = 0x200, kAtSymlinkFollow = 0x400,
                          kAtNoAutomount = 0x800, kAtEmptyPath = 0x1000;

// Who looks names up: keeps what a LookupContext refers to.
class NameContext {
 public:
  explicit NameContext(const Call& call) : NameContext(call, call.process().credentials()) {}
  NameContext(const Call& call, identity::CredentialsRef credentials)
      : call_(call), credentials_(std::move(credentials)), fs_(call.process().fs()),
        lookup_{fs_->root(), *credentials_, call.thread.lookup_guard} {}

  const file::LookupContext& lookup() const { return lookup_; }
  const identity::Credentials& credentials() const { return *credentials_; }
  file::FsContext& fs() const { return *fs_; }
  uint32_t without_umask(uint32_t mode) const { return mode & ~uint32_t{fs_->umask()}; }

  // Where `path` starts: the root, the working directory or the open directory `descriptor`. BadF, NotDir.
  Result<file::Path> start(int descriptor, std::string_view path) const {
    if (path.starts_with('/')) return lookup_.root;
    if (descriptor == kAtCwd) return fs_->working_directory();
    const Ref<file::File> file = TRY(get_file(call_, descriptor));
    if (file->inode() == nullptr || !file->inode()->is_directory()) return Error(Errno::NotDir);
    return file->path();
  }

  // The place that a path argument names. With kAtEmptyPath in `at_flags`, "" is the descriptor's own.
  Result<file::Path> place(int descriptor, vm::UserPtr<const char> path, file::LookupFlags flags, uint32_t at_flags = 0) const {
    const auto text = TRY(vm::UserString::copy_in(path, file::kPathMax));
    if (text.view().empty() && at_flags & kAtEmptyPath) return own_place(descriptor);
    return file::lookup(lookup_, TRY(start(descriptor, text.view())), text.view(), flags);
  }
  Result<file::Path> own_place(int descriptor) const {
    if (descriptor == kAtCwd) return fs_->working_directory();
    return file::place_of(*TRY(get_file(call_, descriptor)));
  }

 private:
  const Call& call_;
  const identity::CredentialsRef credentials_;
  const Ref<file::FsContext> fs_;
  const file::LookupContext lookup_;
};

// A path argument whose last component the callee looks at itself.
struct StartedPath {
  vm::UserString text;
  file::Path start;
  std::string_view view() const { return text.view(); }

  static Result<StartedPath> copy_in(const NameContext& context, int descriptor, vm::UserPtr<const char> path) {
    auto text = TRY(vm::UserString::copy_in(path, file::kPathMax));
    auto start = TRY(context.start(descriptor, text.view()));
    return StartedPath{std::move(text), std::move(start)};
  }
};

// The lookup flag that AT_SYMLINK_NOFOLLOW and AT_SYMLINK_FOLLOW choose.
constexpr file::LookupFlags follow_unless(bool no_follow) { return no_follow ? 0 : file::kFollowLast; }

}  // namespace tine::abi::linux_abi
