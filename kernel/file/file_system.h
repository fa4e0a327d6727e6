// SPDX-License-Identifier: BSD-2-Clause
// FileSystem: what a mount shows: a root entry, a device number, statistics. Types of file systems register by name; view/
// adds proc and devpts this way. Source: mount(2), statfs(2).
// Lock: names_lock serialises all changes of names in one file system (create, link, unlink, rename); it is the first lock
// that a file operation takes.
#pragma once

#include <atomic>
#include <cstdint>
#include <string_view>

#include "base/ref.h"
#include "file/inode.h"
#include "sync/mutex.h"

namespace tine::file {

// struct statfs, the parts that vary.
struct FileSystemStatistics {
  uint64_t magic = 0;
  uint64_t block_size = 4096;
  uint64_t blocks = 0, free_blocks = 0;
  uint64_t reserved_blocks = 0;          // the last of the free ones: root's
  uint64_t files = 0, free_files = 0;
};

class FileSystem : public RefCounted<FileSystem> {
 public:
  explicit FileSystem(const char* type_name);
  virtual ~FileSystem();

  virtual Entry& root() = 0;
  virtual void statistics(FileSystemStatistics& into) = 0;
  // The last mount is gone and no file is open: drop all entries. Singletons (devtmpfs) keep them.
  virtual void shut_down() {}

  uint64_t next_inode_number() { return next_inode_.fetch_add(1, std::memory_order_relaxed); }

  const char* const type_name;
  const DeviceNumber device;           // st_dev of its files
  std::atomic<uint32_t> mount_count{0};
  sync::Mutex names_lock{"names"};

 private:
  std::atomic<uint64_t> next_inode_{1};
};

// A type of file system. Registered ones live for ever; `make` gets mount(2)'s option string.
struct FileSystemType {
  const char* name;
  Result<Ref<FileSystem>> (*make)(std::string_view options);
  FileSystemType* next = nullptr;
};
void register_file_system(FileSystemType& type);
FileSystemType* find_file_system(std::string_view name);   // null: not known
FileSystemType* first_file_system();                       // for /proc/filesystems

}  // namespace tine::file
