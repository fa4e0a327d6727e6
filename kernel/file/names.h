// SPDX-License-Identifier: BSD-2-Clause
// Changes of names: mkdir, mknod, symlink, link, unlink, rmdir, rename, with all checks that do not depend on the file
// system. Each call holds names_lock of the file system while it looks again and changes. Modes come with the umask
// already applied. Source: the manual, section 2, and path_resolution(7).
#pragma once

#include "file/lookup.h"

namespace tine::file {

Result<Path> make_directory(const LookupContext& context, const Path& start, std::string_view path, uint32_t mode);
// `mode` with the type: Regular, Fifo, Socket; Character and Block need Capability::Mknod.
Result<Path> make_node(const LookupContext& context, const Path& start, std::string_view path, uint32_t mode,
                       DeviceNumber device);
Result<> make_symlink(const LookupContext& context, std::string_view target, const Path& start, std::string_view path);
Result<> make_link(const LookupContext& context, const Path& target, const Path& start, std::string_view path);
Result<> unlink(const LookupContext& context, const Path& start, std::string_view path);
Result<> remove_directory(const LookupContext& context, const Path& start, std::string_view path);

enum class RenameMode : uint8_t { Replace, NoReplace, Exchange };
Result<> rename(const LookupContext& context, const Path& old_start, std::string_view old_path, const Path& new_start,
                std::string_view new_path, RenameMode mode);

// For open(2) with O_CREAT, under names_lock: makes `name` in `directory` after the checks for doing so.
Result<Ref<Entry>> make_locked(const identity::Credentials& credentials, const Path& directory, std::string_view name,
                               const NewInode& what);
// O_TMPFILE: a regular file in the file system of `directory` that has no name.
Result<Path> make_unnamed(const identity::Credentials& credentials, const Path& directory, uint32_t mode);

}  // namespace tine::file
