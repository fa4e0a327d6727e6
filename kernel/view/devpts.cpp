// SPDX-License-Identifier: BSD-2-Clause
// devpts: the file system whose files are the slave sides of ptys, each there as long as its master is open. A node's
// owner and mode live in its inode, which the pty keeps. Source: pts(4), mount(8).
#include <charconv>

#include "base/format.h"
#include "file/device.h"
#include "file/file_system.h"
#include "file/mount.h"
#include "view/pty.h"

namespace tine::view {
namespace {

using file::Entry;
using file::FileType;
using file::Inode;

constexpr uint32_t kPtmxMajor = 5, kPtmxMinor = 2;
constexpr uint64_t kRootInode = 1, kPtmxInode = 2, kFirstPtyInode = 3;
constexpr uint64_t kDevptsMagic = 0x1cd1;

// From the mount options; the last mount's hold for ptys made from then on.
struct NodeAttributes {
  std::atomic<uint32_t> mode{0600};
  std::atomic<int64_t> gid{-1};   // -1: the opener's
};
constinit NodeAttributes node_attributes;

class Node final : public Inode, public mem::FromCache<Node> {
 public:
  Node(file::FileSystem& devpts, uint64_t number, uint32_t mode, identity::Uid uid, identity::Gid gid,
       file::DeviceNumber device_number)
      : Inode(devpts, number, file::mode_of(FileType::Character) | mode, uid, gid) {
    device = device_number;
  }
};

class Root final : public Inode, public mem::FromCache<Root> {
 public:
  explicit Root(file::FileSystem& devpts)
      : Inode(devpts, kRootInode, file::mode_of(FileType::Directory) | 0755, 0, 0) {}

  Result<Ref<Entry>> lookup(Entry& here, std::string_view name) override {
    if (name == "ptmx") {
      auto node = TRY(mem::make_ref<Node>(file_system, kPtmxInode, 0666, 0, 0,
                                          file::device_number(kPtmxMajor, kPtmxMinor)));
      return Entry::make(Ref<Entry>(&here), name, std::move(node));
    }
    uint32_t number = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
    const bool canonical = error == std::errc() && end == name.data() + name.size() && (name[0] != '0' || name.size() == 1);
    const Ref<PtySlave> pty = canonical ? find_pty(number) : Ref<PtySlave>();
    if (!pty) return Error(Errno::NoEnt);
    return pty->entry;
  }

  // Offsets 0 and 1 are "." and ".."; then come "ptmx" and the ptys by their numbers.
  Result<> iterate(Entry&, uint64_t offset, file::DirectorySink& sink) override {
    constexpr uint64_t kPtmxOffset = 2, kFirstPtyOffset = 3;
    if (offset <= kPtmxOffset) {
      if (!sink.add("ptmx", kPtmxInode, FileType::Character, kFirstPtyOffset)) return {};
      offset = kFirstPtyOffset;
    }
    for (auto pty = next_pty(static_cast<uint32_t>(offset - kFirstPtyOffset)); pty; pty = next_pty(pty->number + 1)) {
      char name[16];
      if (!sink.add(format(name, "%u", pty->number), pty->entry->inode().number, FileType::Character,
                    kFirstPtyOffset + pty->number + 1))
        return {};
    }
    return {};
  }
};

class Devpts final : public file::FileSystem, public mem::FromCache<Devpts> {
 public:
  Devpts() : FileSystem("devpts") {}
  Result<> make_root() {
    auto root = TRY(mem::make_ref<Root>(*this));
    root_ = TRY(Entry::make(nullptr, "", std::move(root)));
    return {};
  }
  Entry& root() override { return *root_; }
  void statistics(file::FileSystemStatistics& into) override { into.magic = kDevptsMagic; }

 private:
  Ref<Entry> root_;
};

constinit Devpts* devpts = nullptr;   // made at boot, never destroyed

template <class Number>
Result<Number> parse(std::string_view text, int base) {
  Number value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, base);
  if (error != std::errc() || end != text.data() + text.size()) return Error(Errno::Inval);
  return value;
}

// "gid=5,mode=620". Other options are passed over, as they say what is so anyway (ptmxmode=666) or ask for an instance of
// one's own (newinstance), which Tine does not have.
Result<Ref<file::FileSystem>> mount_devpts(std::string_view options) {
  while (!options.empty()) {
    const std::string_view option = options.substr(0, options.find(','));
    options.remove_prefix(std::min(option.size() + 1, options.size()));
    if (option.starts_with("gid=")) {
      node_attributes.gid = TRY(parse<uint32_t>(option.substr(4), 10));
    } else if (option.starts_with("mode=")) {
      node_attributes.mode = TRY(parse<uint32_t>(option.substr(5), 8)) & 0777;
    }
  }
  return Ref<file::FileSystem>(devpts);
}

Result<Ref<file::File>> open_slave(file::DeviceNumber number, const file::Path& path, uint32_t flags) {
  const Ref<PtySlave> pty = find_pty(file::minor_of(number));
  if (!pty || pty->locked) return Error(Errno::Io);
  return TtyFile::open(pty, path, flags);
}

Result<Ref<file::File>> open_master(file::DeviceNumber, const file::Path& path, uint32_t flags) {
  return PtyMaster::open(path, flags & ~file::kNoCtty);
}

constinit file::FileSystemType devpts_type{"devpts", mount_devpts};
constinit file::Device master_device{"ptmx", 0666, kPtmxMajor, kPtmxMinor, 1, open_master};
constinit file::Device slave_device{nullptr, 0, kPtySlaveMajor, 0, kMaxPtys, open_slave};

}  // namespace

Result<> make_pts_node(PtySlave& pty) {
  const auto credentials = process::current().process().credentials();
  const int64_t gid = node_attributes.gid;
  char name[16];
  auto node = TRY(mem::make_ref<Node>(*devpts, kFirstPtyInode + pty.number, node_attributes.mode, credentials->fsuid,
                                      gid < 0 ? credentials->fsgid : static_cast<identity::Gid>(gid),
                                      file::device_number(kPtySlaveMajor, pty.number)));
  pty.entry = TRY(Entry::make(Ref<Entry>(&devpts->root()), format(name, "%u", pty.number), std::move(node)));
  return {};
}

Result<file::Path> pts_path(const PtySlave& pty) {
  for (auto mount = file::next_mount(0); mount; mount = file::next_mount(mount->id()))
    if (&mount->file_system() == devpts) return file::Path(mount, pty.entry);
  return Error(Errno::NoEnt);
}

Result<> init_ptys() {
  auto made = TRY(mem::make_ref<Devpts>());
  TRY(made->make_root());
  devpts = made.detach();
  file::register_file_system(devpts_type);
  TRY(file::register_device(slave_device));
  return file::register_device(master_device);
}

}  // namespace tine::view
