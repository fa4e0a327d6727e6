// SPDX-License-Identifier: BSD-2-Clause
// open(2): from a path to an open file, with creation, truncation and all checks; and opening an inode that is already
// found. Source: open(2), openat2(2).
#pragma once

#include "file/file.h"
#include "file/lookup.h"

namespace tine::file {

struct OpenRequest {
  uint32_t flags = 0;             // O_* values, already checked for sense
  uint32_t mode = 0;              // for O_CREAT and O_TMPFILE, the umask applied
  LookupFlags resolve = 0;        // RESOLVE_* of openat2
};
Result<Ref<File>> open(const LookupContext& context, const Path& start, std::string_view path, const OpenRequest& request);

// No checks but those of the file's kind: what kind of open file serves this inode.
Result<Ref<File>> open_inode(const Path& path, uint32_t flags);

// Whether `path` may be run as a program: a regular file, executable for `credentials`, on a mount that allows it. Acces.
Result<> check_executable(const identity::Credentials& credentials, const Path& path);

// The place of an open file, also of one that has none (pipes, sockets): then one is made up whose inode shows what
// fstat(2) says. It does not keep the file open, and only a pipe can be opened there. For /proc/PID/fd.
Result<Path> place_of(File& file);

}  // namespace tine::file
