// SPDX-License-Identifier: BSD-2-Clause
#include "file/initrd.h"

#include <algorithm>
#include <boost/intrusive/set.hpp>
#include <cstdarg>
#include <tuple>

#include "base/format.h"
#include "base/units.h"
#include "file/cpio.h"
#include "file/names.h"
#include "file/tmpfs.h"
#include "identity/credentials.h"
#include "mem/frame.h"

namespace tine::file {
namespace {

using mem::kPageSize;

// A member with more than one name, by its number in the archive.
struct LinkedFile : boost::intrusive::set_base_hook<>, mem::FromCache<LinkedFile> {
  using Key = std::tuple<uint32_t, uint32_t, uint32_t>;
  LinkedFile(Key key, Path place) : key(key), place(std::move(place)) {}
  Key key;
  Path place;
};
struct KeyOf {
  using type = LinkedFile::Key;
  const type& operator()(const LinkedFile& file) const { return file.key; }
};

// The whole pages of the archive: referred to by files, or given to the allocator once they lie behind.
class ArchivePages {
 public:
  explicit ArchivePages(std::span<const std::byte> archive)
      : start_(round_up(machine::virtual_to_physical(archive.data()), kPageSize)),
        end_(round_down(machine::virtual_to_physical(archive.data() + archive.size()), kPageSize)), given_(start_) {
    if (start_ < end_) mem::pin_range(start_, end_);
  }
  void keep(machine::PhysAddr start, machine::PhysAddr end) {
    give_up_to(start);
    given_ = std::max(given_, end);
  }
  void give_up_to(machine::PhysAddr address) {
    const machine::PhysAddr limit = std::min(round_down(address, kPageSize), end_);
    if (given_ >= limit) return;
    mem::give_range(given_, limit);
    given_ = limit;
  }
  void give_rest() { give_up_to(end_); }

 private:
  const machine::PhysAddr start_, end_;
  machine::PhysAddr given_;
};

class Unpacker {
 public:
  Unpacker(std::span<const std::byte> archive, const Path& root, const identity::Credentials& credentials)
      : archive_(archive), root_(root), context_{root, credentials}, pages_(archive) {}
  ~Unpacker() { forget_links(); }

  Result<> unpack(const CpioMember& member);
  void finish() { pages_.give_rest(); }
  const InitrdSummary& summary() const { return summary_; }

 private:
  Result<Path> make(const CpioMember& member, std::string_view name);
  Result<Path> make_anew(const CpioMember& member, std::string_view name);
  Result<> make_parents(std::string_view name);
  Result<> clear_way(std::string_view name, FileType type);
  Result<> fill(TmpfsRegular& file, std::span<const std::byte> data);
  void set_attributes(Inode& inode, const CpioMember& member);
  void forget_links() { links_.clear_and_dispose([](LinkedFile* file) { delete file; }); }

  const std::span<const std::byte> archive_;
  const Path& root_;
  const LookupContext context_;
  ArchivePages pages_;
  boost::intrusive::set<LinkedFile, boost::intrusive::key_of_value<KeyOf>> links_;
  InitrdSummary summary_;
};

Result<> Unpacker::unpack(const CpioMember& member) {
  if (member.ends_archive) {
    forget_links();
    return {};
  }
  std::string_view name = member.name;
  while (name.starts_with("./") || name.starts_with("/")) name.remove_prefix(name.starts_with("/") ? 1 : 2);
  const Path place = TRY(make(member, name));
  set_attributes(*place.inode(), member);
  summary_.members++;
  pages_.give_up_to(machine::virtual_to_physical(archive_.data() + member.offset));
  return {};
}

Result<Path> Unpacker::make(const CpioMember& member, std::string_view name) {
  if (name.empty() || name == ".") return root_;
  const FileType type = type_of(member.mode);
  const LinkedFile::Key key{member.inode, member.device_major, member.device_minor};
  const bool has_links = member.links > 1 && type != FileType::Directory;
  if (has_links) {
    if (const auto known = links_.find(key); known != links_.end()) {
      TRY(clear_way(name, FileType::Unknown));
      Result<> linked = make_link(context_, known->place, root_, name);
      if (!linked && linked.error() == Errno::NoEnt) {
        TRY(make_parents(name));
        linked = make_link(context_, known->place, root_, name);
      }
      TRY(linked);
      // Of the names of one file, only one comes with the data.
      if (!member.data.empty() && known->place.inode()->is_regular())
        TRY(fill(static_cast<TmpfsRegular&>(*known->place.inode()), member.data));
      return known->place;
    }
  }
  TRY(clear_way(name, type));
  Result<Path> made = make_anew(member, name);
  if (!made && made.error() == Errno::NoEnt) {
    TRY(make_parents(name));
    made = make_anew(member, name);
  }
  const Path place = TRY(made);
  if (type == FileType::Regular) TRY(fill(static_cast<TmpfsRegular&>(*place.inode()), member.data));
  if (has_links) links_.insert(*TRY(mem::make<LinkedFile>(key, place)));
  return place;
}

Result<Path> Unpacker::make_anew(const CpioMember& member, std::string_view name) {
  switch (type_of(member.mode)) {
    case FileType::Directory: {
      Result<Path> made = make_directory(context_, root_, name, member.mode & kModePermissions);
      if (!made && made.error() == Errno::Exist) return lookup(context_, root_, name, 0);
      return made;
    }
    case FileType::Symlink: {
      const std::string_view target(reinterpret_cast<const char*>(member.data.data()), member.data.size());
      TRY(make_symlink(context_, target, root_, name));
      return lookup(context_, root_, name, 0);
    }
    default:
      return make_node(context_, root_, name, member.mode, device_number(member.special_major, member.special_minor));
  }
}

// The directories on the way to `name` that are not there. Each is looked up from the one before: from the root, a path of
// n parts would take n * n / 2 steps.
Result<> Unpacker::make_parents(std::string_view name) {
  Path here = root_;
  for (size_t slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/')) {
    const std::string_view part = name.substr(0, slash);
    name.remove_prefix(slash + 1);
    if (part.empty()) continue;
    Result<Path> next = lookup(context_, here, part, kFollowLast);
    if (!next && next.error() == Errno::NoEnt) next = make_directory(context_, here, part, 0755);
    here = TRY(std::move(next));
  }
  return {};
}

// A later member takes the place of an earlier one; directories stay if it is a directory again.
Result<> Unpacker::clear_way(std::string_view name, FileType type) {
  const Result<Path> before = lookup(context_, root_, name, 0);
  if (!before) return {};
  if (before->inode()->is_directory()) return type == FileType::Directory ? Result<>() : remove_directory(context_, root_, name);
  return unlink(context_, root_, name);
}

Result<> Unpacker::fill(TmpfsRegular& file, std::span<const std::byte> data) {
  if (data.empty()) return {};
  sync::MutexGuard guard(file.lock);
  TRY(file.object().resize(0));
  uint64_t offset = 0;
  const machine::PhysAddr start = machine::virtual_to_physical(data.data());
  if (is_aligned(start, kPageSize)) {
    const uint64_t whole = round_down(data.size(), kPageSize);
    pages_.keep(start, start + whole);
    for (; offset < whole; offset += kPageSize) {
      TRY(file.object().adopt_page(offset / kPageSize, mem::frame_of(start + offset)));
      summary_.shared_pages++;
    }
    TRY(file.object().resize(whole));
  }
  IoBuffer rest = IoBuffer::kernel(data.subspan(offset));
  while (rest.remaining() != 0) TRY(file.object().write(rest, offset));
  summary_.bytes += data.size();
  return {};
}

void Unpacker::set_attributes(Inode& inode, const CpioMember& member) {
  sync::MutexGuard guard(inode.lock);
  inode.uid = member.uid;
  inode.gid = member.gid;
  inode.mode = (inode.mode & kModeTypeMask) | (member.mode & kModePermissions);
  inode.modified = inode.accessed = member.modified * kSecond;
}

[[gnu::format(printf, 1, 2)]] InitrdProblem problem(const char* text, ...) {
  InitrdProblem result;
  va_list arguments;
  va_start(arguments, text);
  result.size = format_v(result.buffer, text, arguments).size();
  va_end(arguments);
  return result;
}

}  // namespace

std::expected<InitrdSummary, InitrdProblem> unpack_initrd(std::span<const std::byte> archive, const Path& root) {
  if (archive.empty())
    return std::unexpected(problem("there is no initrd: give one with -initrd (an uncompressed newc cpio)"));
  const auto credentials = mem::make_ref<identity::Credentials>();
  if (!credentials) return std::unexpected(problem("too little memory to unpack the initrd"));
  CpioReader reader(archive);
  Unpacker unpacker(archive, root, **credentials);
  while (const auto member = reader.next()) {
    const Result<> done = unpacker.unpack(*member);
    if (done) continue;
    const int shown = static_cast<int>(std::min<size_t>(member->name.size(), 80));
    if (done.error() == Errno::NoSpc || done.error() == Errno::NoMem)
      return std::unexpected(problem("the initrd of %u MiB does not fit into memory: no room for \"%.*s\"",
                                     static_cast<unsigned>(archive.size() >> 20), shown, member->name.data()));
    return std::unexpected(problem("the initrd is broken: cannot make \"%.*s\" (error %d)", shown, member->name.data(),
                                   static_cast<int>(done.error())));
  }
  if (!reader.problem().empty()) {
    InitrdProblem result;
    result.size = reader.problem().copy(result.buffer.data(), result.buffer.size());
    return std::unexpected(result);
  }
  unpacker.finish();
  return unpacker.summary();
}

}  // namespace tine::file
