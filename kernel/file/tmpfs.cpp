// SPDX-License-Identifier: BSD-2-Clause
#include "file/tmpfs.h"

#include <charconv>
#include <cstring>
#include <limits>

#include "base/late.h"
#include "base/units.h"
#include "file/mount.h"
#include "file/option_string.h"

namespace tine::file {
namespace {

constexpr uint64_t kTmpfsMagic = 0x01021994;

class TmpfsDirectory final : public TmpfsInode, public mem::FromCache<TmpfsDirectory> {
 public:
  TmpfsDirectory(Tmpfs& tmpfs, const NewInode& what, TmpfsPlace place)
      : TmpfsInode(tmpfs, what, std::move(place)), tmpfs_(tmpfs) {
    links = 2;
  }

  NameTable names;

  Result<Ref<Entry>> lookup(Entry&, std::string_view name) override {
    Ref<Entry> found = names.find(name);
    if (found == nullptr) return Error(Errno::NoEnt);
    return found;
  }

  Result<Ref<Entry>> make(Entry& here, std::string_view name, const NewInode& what) override {
    Ref<Inode> inode = TRY(tmpfs_.make_inode(what));
    return add(here, name, std::move(inode));
  }

  Result<> link(Entry& here, std::string_view name, Inode& target) override {
    if (target.links == std::numeric_limits<uint32_t>::max()) return Error(Errno::Mlink);
    const bool is_further = target.links != 0;   // not the first one of what O_TMPFILE made
    if (is_further) TRY(tmpfs_.take_link());
    if (const auto added = add(here, name, Ref<Inode>(&target)); !added) {
      if (is_further) tmpfs_.give_back_link();
      return Error(added.error());
    }
    target.links.fetch_add(1);
    target.touch_changed();
    return {};
  }

  Result<> unlink(Entry&, Entry& victim) override {
    TRY(forget(victim.inode()));
    names.remove(victim);
    touch_modified();
    return {};
  }

  Result<> rename(Entry&, Entry& moved, Entry& to, std::string_view name, Entry* replaced, bool exchange) override {
    auto& target = static_cast<TmpfsDirectory&>(to.inode());
    const bool moves_up = moved.inode().is_directory() && &target != this;
    if (exchange) {
      const bool moves_down = replaced->inode().is_directory() && &target != this;
      NameTable::exchange(names, moved, target.names, *replaced);
      links += moves_down - moves_up;
      target.links += moves_up - moves_down;
      replaced->inode().touch_changed();
    } else {
      Name new_name = TRY(Name::make(name));
      if (replaced != nullptr) TRY(target.forget(replaced->inode()));
      names.rename(moved, target.names, to, std::move(new_name), replaced);
      links -= moves_up;
      target.links += moves_up;
    }
    moved.inode().touch_changed();
    touch_modified();
    target.touch_modified();
    return {};
  }

  Result<Ref<Inode>> make_unnamed(const NewInode& what) override {
    Ref<Inode> inode = TRY(tmpfs_.make_inode(what));
    inode->links = 0;
    return inode;
  }

  Result<> iterate(Entry&, uint64_t offset, DirectorySink& sink) override {
    while (true) {
      const NameTable::Position at = TRY(names.next_after(offset));
      if (at.entry == nullptr) return {};
      const Inode& inode = at.entry->inode();
      if (!sink.add(at.name.view(), inode.number, inode.type, at.cookie)) return {};
      offset = at.cookie;
    }
  }

 private:
  Result<Ref<Entry>> add(Entry& here, std::string_view name, Ref<Inode> inode) {
    const bool is_directory = inode->is_directory();
    auto charge = TRY(identity::Charge<identity::Kept::Names>::take(identity::current_payer(), Errno::NoSpc));
    Ref<Entry> entry = TRY(Entry::make(Ref<Entry>(&here), name, std::move(inode)));
    entry->charge = std::move(charge);
    names.insert(entry);
    if (is_directory) links.fetch_add(1);
    touch_modified();
    return entry;
  }

  // `inode` is about to lose a name in this directory.
  Result<> forget(Inode& inode) {
    if (inode.is_directory()) {
      if (!static_cast<TmpfsDirectory&>(inode).names.empty()) return Error(Errno::NotEmpty);
      inode.links = 0;
      links.fetch_sub(1);
    } else if (inode.links.fetch_sub(1) > 1) {
      tmpfs_.give_back_link();
    }
    inode.touch_changed();
    return {};
  }

  Tmpfs& tmpfs_;
};

class TmpfsSymlink final : public TmpfsInode, public mem::FromCache<TmpfsSymlink> {
 public:
  TmpfsSymlink(Tmpfs& tmpfs, const NewInode& what, TmpfsPlace place)
      : TmpfsInode(tmpfs, what, std::move(place)), quota_(tmpfs.quota()) {}
  ~TmpfsSymlink() override {
    if (has_page_) quota_->give_back(1);
  }
  // A long target counts as a page of the file system, as on Linux; a short one goes with its inode.
  Result<> set_target(std::string_view target) {
    if (target.size() >= kShortTarget) {
      page_charge_ = TRY(take_page());
      has_page_ = true;
    }
    target_ = TRY(mem::Buffer<char>::make(target.size()));
    std::memcpy(target_.data(), target.data(), target.size());
    return {};
  }
  uint64_t size() const override { return target_.size(); }
  Result<std::string_view> read_link(std::span<char>) override { return std::string_view(target_.data(), target_.size()); }

 private:
  static constexpr size_t kShortTarget = 128;
  using PageCharge = identity::Charge<identity::Kept::FilePages>;

  Result<PageCharge> take_page() {
    auto charge = TRY(PageCharge::take(identity::current_payer(), Errno::NoSpc));
    if (!quota_->take(1, charge.is_root())) return Error(Errno::NoSpc);
    return charge;
  }

  const Ref<PageQuota> quota_;
  bool has_page_ = false;
  PageCharge page_charge_;
  mem::Buffer<char> target_;
};

class TmpfsSpecial final : public TmpfsInode, public mem::FromCache<TmpfsSpecial> {
 public:
  TmpfsSpecial(Tmpfs& tmpfs, const NewInode& what, TmpfsPlace place) : TmpfsInode(tmpfs, what, std::move(place)) {
    device = what.device;
  }
};

// Of a file system whose size nobody has chosen, so much is root's.
constexpr uint64_t kReservedPart = 32;

uint64_t half_of_memory() { return mem::count_frames().total / 2; }

Result<Ref<FileSystem>> mount_tmpfs(std::string_view text) {
  return Ref<FileSystem>(TRY(Tmpfs::make("tmpfs", TRY(Tmpfs::parse_options(text)))));
}
Result<Ref<FileSystem>> mount_ramfs(std::string_view text) {
  return Ref<FileSystem>(TRY(Tmpfs::make("ramfs", TRY(Tmpfs::parse_options(text)))));
}
constinit FileSystemType tmpfs_type{"tmpfs", mount_tmpfs};
constinit FileSystemType ramfs_type{"ramfs", mount_ramfs};

constinit Mount* the_hidden_mount = nullptr;

}  // namespace

Result<Tmpfs::Options> Tmpfs::parse_options(std::string_view text) {
  Options options;
  for (OptionString list(text); const auto option = list.next();) {
    if (option->name == "size") {
      options.pages = TRY(parse_size(option->value, half_of_memory() * 2 * mem::kPageSize)) / mem::kPageSize;
    } else if (option->name == "nr_blocks") {
      options.pages = TRY(parse_size(option->value, 0));
    } else if (option->name == "nr_inodes") {
      options.inodes = TRY(parse_size(option->value, 0));
    } else if (option->name == "mode") {
      options.mode = static_cast<uint32_t>(TRY(parse_number(option->value, 8))) & kModePermissions;
    } else if (option->name == "uid") {
      options.uid = static_cast<identity::Uid>(TRY(parse_number(option->value, 10)));
    } else if (option->name == "gid") {
      options.gid = static_cast<identity::Gid>(TRY(parse_number(option->value, 10)));
    }
    // Others (huge=, inode32, ...) ask for nothing that could be missed here.
  }
  return options;
}

Result<Ref<Tmpfs>> Tmpfs::make(const char* type_name, const Options& options) {
  const auto set = [](Quota& quota, uint64_t chosen) {
    quota.limit = chosen != 0 ? chosen : half_of_memory();
    quota.reserve = chosen != 0 ? 0 : half_of_memory() / kReservedPart;
  };
  Ref<PageQuota> quota = TRY(mem::make_ref<PageQuota>());
  set(*quota, options.pages);
  Ref<Tmpfs> tmpfs = TRY(mem::make_ref<Tmpfs>(type_name, std::move(quota)));
  set(tmpfs->inodes_, options.inodes);
  Ref<Inode> inode = TRY(tmpfs->make_inode(
      {.mode = mode_of(FileType::Directory) | options.mode, .uid = options.uid, .gid = options.gid}));
  tmpfs->root_ = TRY(Entry::make(nullptr, "", std::move(inode)));
  return tmpfs;
}

Tmpfs::~Tmpfs() { root_.reset(); }

Result<> Tmpfs::change_options(const Options& options) {
  if (options.pages != 0) {
    if (options.pages < quota_->used) return Error(Errno::Inval);
    quota_->limit = options.pages;
    quota_->reserve = 0;
  }
  if (options.inodes != 0) {
    if (options.inodes < inodes_.used) return Error(Errno::Inval);
    inodes_.limit = options.inodes;
    inodes_.reserve = 0;
  }
  return {};
}

void Tmpfs::statistics(FileSystemStatistics& into) {
  const uint64_t limit = quota_->limit, used = quota_->used;
  into.magic = kTmpfsMagic;
  into.block_size = mem::kPageSize;
  into.blocks = limit;
  into.free_blocks = limit > used ? limit - used : 0;
  into.reserved_blocks = quota_->reserve;
  const uint64_t files = inodes_.limit, taken = inodes_.used;
  into.files = files;
  into.free_files = files > taken ? files - taken : 0;
}

// Takes the tree apart from its leaves, without recursion.
void Tmpfs::shut_down() {
  const auto names_of = [](const Entry& entry) -> NameTable& { return static_cast<TmpfsDirectory&>(entry.inode()).names; };
  Ref<Entry> at = root_;
  while (at != nullptr) {
    if (Ref<Entry> child = names_of(*at).first()) {
      if (child->inode().is_directory() && !names_of(*child).empty()) at = std::move(child);
      else names_of(*at).remove(*child);
    } else {
      Ref<Entry> parent = at->parent();
      if (parent != nullptr) names_of(*parent).remove(*at);
      at = std::move(parent);
    }
  }
}

Result<Ref<Inode>> Tmpfs::make_inode(const NewInode& what) {
  TmpfsPlace place = TRY(TmpfsPlace::take(*this));
  switch (type_of(what.mode)) {
    case FileType::Directory:
      return Ref<Inode>(TRY(mem::make_ref<TmpfsDirectory>(*this, what, std::move(place))));
    case FileType::Regular: {
      auto inode = TRY(mem::make_ref<TmpfsRegular>(*this, what, std::move(place)));
      TRY(inode->make_object(*this));
      return Ref<Inode>(std::move(inode));
    }
    case FileType::Symlink: {
      auto inode = TRY(mem::make_ref<TmpfsSymlink>(*this, what, std::move(place)));
      TRY(inode->set_target(what.target));
      return Ref<Inode>(std::move(inode));
    }
    default:
      return Ref<Inode>(TRY(mem::make_ref<TmpfsSpecial>(*this, what, std::move(place))));
  }
}

Result<> Tmpfs::take_link() {
  const identity::Payer payer = identity::current_payer();
  if (!inodes_.take(1, payer.is_root())) return Error(Errno::NoSpc);
  return {};
}

Result<TmpfsPlace> TmpfsPlace::take(Tmpfs& tmpfs) {
  const identity::Payer payer = identity::current_payer();
  auto charge = TRY(Charge::take(payer, Errno::NoSpc));
  if (!tmpfs.inodes_.take(1, payer.is_root())) return Error(Errno::NoSpc);
  return TmpfsPlace(&tmpfs, std::move(charge));
}

TmpfsPlace::~TmpfsPlace() {
  if (tmpfs_ != nullptr) tmpfs_->inodes_.give_back(1);
}

Mount& hidden_mount() { return *the_hidden_mount; }

Result<> init_tmpfs() {
  register_file_system(tmpfs_type);
  register_file_system(ramfs_type);
  Ref<Tmpfs> hidden = TRY(Tmpfs::make("tmpfs", {}));
  Ref<Entry> root(&hidden->root());
  the_hidden_mount = TRY(Mount::make(std::move(hidden), std::move(root), "none", 0)).detach();
  return {};
}

}  // namespace tine::file
