// SPDX-License-Identifier: BSD-2-Clause
// What files are: the stat family, statfs, getdents.
#include <cstring>

#include "abi/linux/file.h"
#include "abi/linux/file_transfer.h"
#include "abi/linux/path_argument.h"
#include "abi/linux/timespec.h"
#include "file/file_system.h"
#include "file/inode.h"
#include "sched/scheduler.h"

namespace tine::abi::linux_abi {
namespace {

using file::File;
using file::Stat;

struct LinuxStat {   // struct stat
  uint64_t device, inode, links;
  uint32_t mode, uid, gid, padding;
  uint64_t special_device;
  int64_t size, block_size, blocks;
  TimeSpec accessed, modified, changed;
  int64_t unused[3];
};
static_assert(sizeof(LinuxStat) == 144);

struct StatxTime {
  int64_t seconds;
  uint32_t nanoseconds;
  int32_t padding;
};
struct LinuxStatx {   // struct statx
  uint32_t mask, block_size;
  uint64_t attributes;
  uint32_t links, uid, gid;
  uint16_t mode, padding;
  uint64_t inode, size, blocks, attributes_mask;
  StatxTime accessed, born, changed, modified;
  uint32_t special_major, special_minor, device_major, device_minor;
  uint64_t mount_id;
  uint64_t spare[13];
};
static_assert(sizeof(LinuxStatx) == 256);
constexpr uint32_t kStatxBasic = 0x7ff, kStatxBorn = 0x800, kStatxMountId = 0x1000, kStatxReserved = 0x8000'0000;
constexpr uint64_t kAttributeMountRoot = 0x2000;

struct LinuxStatfs {   // struct statfs
  int64_t type, block_size;
  uint64_t blocks, free_blocks, available_blocks, files, free_files;
  int32_t id[2];
  int64_t name_length, fragment_size, flags;
  int64_t spare[4];
};
static_assert(sizeof(LinuxStatfs) == 120);

StatxTime to_statx_time(Nanoseconds time) {
  return {static_cast<int64_t>(time / kSecond), static_cast<uint32_t>(time % kSecond), 0};
}

CallResult store_stat(vm::UserPtr<LinuxStat> into, const Stat& stat) {
  LinuxStat result{};
  result.device = stat.device;
  result.inode = stat.inode;
  result.links = stat.links;
  result.mode = stat.mode;
  result.uid = stat.uid;
  result.gid = stat.gid;
  result.special_device = stat.special_device;
  result.size = static_cast<int64_t>(stat.size);
  result.block_size = stat.block_size;
  result.blocks = static_cast<int64_t>(stat.blocks);
  result.accessed = to_timespec(stat.accessed);
  result.modified = to_timespec(stat.modified);
  result.changed = to_timespec(stat.changed);
  TRY(into.store(result));
  return 0;
}

// Whether the path argument is "" and the descriptor itself is meant: how libc calls fstat.
bool means_descriptor(vm::UserPtr<const char> path, uint32_t flags) {
  if (!(flags & kAtEmptyPath)) return false;
  const Result<char> first = path.load();
  return first && *first == '\0';
}

Result<Stat> stat_at(const Call& call, int descriptor, vm::UserPtr<const char> path, uint32_t flags) {
  Stat stat;
  if (means_descriptor(path, flags) && descriptor != kAtCwd) {
    TRY(TRY(get_file(call, descriptor))->stat(stat));
    return stat;
  }
  const NameContext context(call);
  const file::Path place = TRY(context.place(descriptor, path, follow_unless(flags & kAtSymlinkNoFollow), flags));
  place.inode()->stat(stat);
  return stat;
}

CallResult store_statistics(vm::UserPtr<LinuxStatfs> into, const file::Path& path) {
  file::FileSystem& file_system = path.mount()->file_system();
  file::FileSystemStatistics statistics;
  file_system.statistics(statistics);
  constexpr int64_t kValid = 0x20;   // ST_VALID
  LinuxStatfs result{};
  result.type = static_cast<int64_t>(statistics.magic);
  result.block_size = result.fragment_size = static_cast<int64_t>(statistics.block_size);
  result.blocks = statistics.blocks;
  result.free_blocks = statistics.free_blocks;
  result.available_blocks = statistics.free_blocks - std::min(statistics.free_blocks, statistics.reserved_blocks);
  result.files = statistics.files;
  result.free_files = statistics.free_files;
  result.id[0] = static_cast<int32_t>(file_system.device);
  result.name_length = file::kNameMax;
  result.flags = static_cast<int64_t>(path.mount()->flags.load()) | kValid;
  TRY(into.store(result));
  return 0;
}

// Packs entries into user memory, each a header, the name with its 0, and padding to 8 bytes.
class EntryPacker final : public file::DirectorySink {
 public:
  enum class Layout : uint8_t { Old, Typed };    // getdents: type in the last byte; getdents64: type before the name
  EntryPacker(Layout layout, uintptr_t into, size_t room) : layout_(layout), into_(into), room_(room) {}

  bool add(std::string_view name, uint64_t inode, file::FileType type, uint64_t next) override {
    struct Header {
      uint64_t inode, next;
      uint16_t size;
    };
    constexpr size_t kHeader = 18;
    const bool typed = layout_ == Layout::Typed;
    const size_t size = round_up(kHeader + name.size() + 2, 8);
    if (size > room_ - used_) {
      if (used_ == 0) failure_ = Error(Errno::Inval);
      return false;
    }
    char record[kHeader + file::kNameMax + 16] = {};
    const Header header{inode, next, static_cast<uint16_t>(size)};
    std::memcpy(record, &header, kHeader);
    std::memcpy(record + kHeader + typed, name.data(), name.size());
    record[typed ? kHeader : size - 1] = static_cast<char>(type);
    if (const Result<> stored = vm::copy_out(into_ + used_, record, size); !stored) {
      if (used_ == 0) failure_ = stored;
      return false;
    }
    used_ += size;
    return sched::step().has_value();
  }
  CallResult result() const {
    if (!failure_) return Error(failure_.error());
    return used_;
  }
  size_t used() const { return used_; }

 private:
  const Layout layout_;
  const uintptr_t into_;
  const size_t room_;
  size_t used_ = 0;
  Result<> failure_;
};

CallResult read_directory(const Call& call, EntryPacker::Layout layout) {
  const Ref<File> file = TRY(get_readable(call, call.as_int(0)));
  EntryPacker packer(layout, call.args[1], call.as_unsigned(2));
  sync::MutexGuard guard(file->offset_lock);
  const Result<> read = file->read_directory(packer);
  if (!read && packer.used() == 0) return Error(read.error());
  return packer.result();
}

}  // namespace

CallResult sys_stat(const Call& call) {
  return store_stat(call.pointer<LinuxStat>(1), TRY(stat_at(call, kAtCwd, call.pointer<const char>(0), 0)));
}
CallResult sys_lstat(const Call& call) {
  return store_stat(call.pointer<LinuxStat>(1),
                    TRY(stat_at(call, kAtCwd, call.pointer<const char>(0), kAtSymlinkNoFollow)));
}
CallResult sys_fstat(const Call& call) {
  Stat stat;
  TRY(TRY(get_file(call, call.as_int(0)))->stat(stat));
  return store_stat(call.pointer<LinuxStat>(1), stat);
}
CallResult sys_newfstatat(const Call& call) {
  const uint32_t flags = call.as_unsigned(3);
  if (flags & ~(kAtSymlinkNoFollow | kAtNoAutomount | kAtEmptyPath)) return Error(Errno::Inval);
  return store_stat(call.pointer<LinuxStat>(2),
                    TRY(stat_at(call, call.as_int(0), call.pointer<const char>(1), flags)));
}

CallResult sys_statx(const Call& call) {
  constexpr uint32_t kSyncFlags = 0x6000;   // AT_STATX_*: nothing is ever out of date
  const uint32_t flags = call.as_unsigned(2), wanted = call.as_unsigned(3);
  if (flags & ~(kAtSymlinkNoFollow | kAtNoAutomount | kAtEmptyPath | kSyncFlags) || (flags & kSyncFlags) == kSyncFlags ||
      wanted & kStatxReserved)
    return Error(Errno::Inval);
  const int descriptor = call.as_int(0);
  const auto path = call.pointer<const char>(1);
  Stat stat;
  uint64_t mount_id = 0;
  bool is_mount_root = false;
  if (means_descriptor(path, flags) && descriptor != kAtCwd) {
    const Ref<File> file = TRY(get_file(call, descriptor));
    TRY(file->stat(stat));
    if (!file->path().empty()) mount_id = file->path().mount()->id();
  } else {
    const NameContext context(call);
    const file::Path place = TRY(context.place(descriptor, path, follow_unless(flags & kAtSymlinkNoFollow), flags));
    place.inode()->stat(stat);
    mount_id = place.mount()->id();
    is_mount_root = place.entry() == &place.mount()->root();
  }
  LinuxStatx result{};
  result.mask = kStatxBasic | kStatxBorn | (mount_id != 0 ? kStatxMountId : 0);
  result.block_size = stat.block_size;
  result.attributes = is_mount_root ? kAttributeMountRoot : 0;
  result.attributes_mask = kAttributeMountRoot;
  result.links = stat.links;
  result.uid = stat.uid;
  result.gid = stat.gid;
  result.mode = static_cast<uint16_t>(stat.mode);
  result.inode = stat.inode;
  result.size = stat.size;
  result.blocks = stat.blocks;
  result.accessed = to_statx_time(stat.accessed);
  result.born = to_statx_time(stat.born);
  result.changed = to_statx_time(stat.changed);
  result.modified = to_statx_time(stat.modified);
  result.special_major = file::major_of(stat.special_device);
  result.special_minor = file::minor_of(stat.special_device);
  result.device_major = file::major_of(stat.device);
  result.device_minor = file::minor_of(stat.device);
  result.mount_id = mount_id;
  TRY(call.pointer<LinuxStatx>(4).store(result));
  return 0;
}

CallResult sys_statfs(const Call& call) {
  const NameContext context(call);
  return store_statistics(call.pointer<LinuxStatfs>(1),
                          TRY(context.place(kAtCwd, call.pointer<const char>(0), file::kFollowLast)));
}

CallResult sys_fstatfs(const Call& call) {
  return store_statistics(call.pointer<LinuxStatfs>(1), TRY(file::place_of(*TRY(get_file(call, call.as_int(0))))));
}

CallResult sys_getdents(const Call& call) { return read_directory(call, EntryPacker::Layout::Old); }
CallResult sys_getdents64(const Call& call) { return read_directory(call, EntryPacker::Layout::Typed); }

}  // namespace tine::abi::linux_abi
