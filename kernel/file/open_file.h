// SPDX-License-Identifier: BSD-2-Clause
// Bases of open files that have a place in a file system.
#pragma once

#include "file/file.h"
#include "file/inode.h"

namespace tine::file {

// A file with a size and a position: lseek by SEEK_SET, SEEK_CUR and SEEK_END.
class SeekableFile : public File {
 public:
  using File::File;
  bool seekable() const override { return true; }
  Result<uint64_t> seek(int64_t offset, int whence) override REQUIRES(offset_lock);

 protected:
  virtual uint64_t end() const { return inode()->size(); }
};

}  // namespace tine::file
