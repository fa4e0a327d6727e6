// SPDX-License-Identifier: BSD-2-Clause
#include "file/open.h"

#include "file/attributes.h"
#include "file/device.h"
#include "file/fifo.h"
#include "file/names.h"
#include "file/open_file.h"
#include "file/pipe.h"
#include "file/tmpfs.h"

namespace tine::file {
namespace {

using identity::Credentials;
using Last = PathWalk::Last;

// What O_PATH opens: a place, and nothing that could be read or written.
class PathOnlyFile final : public File, public mem::FromCache<PathOnlyFile> {
 public:
  PathOnlyFile(uint32_t flags, Path path) : File(flags, std::move(path)) {}
};

// An open directory. Positions 0 and 1 are "." and ".."; the others belong to the file system.
class OpenDirectory final : public SeekableFile, public mem::FromCache<OpenDirectory> {
 public:
  OpenDirectory(uint32_t flags, Path path) : SeekableFile(flags, std::move(path)) {}

  Result<size_t> read(IoBuffer&, uint64_t*) override { return Error(Errno::IsDir); }

  Result<> read_directory(DirectorySink& sink) override REQUIRES(offset_lock) {
    Entry& here = *path().entry();
    if (here.removed()) return Error(Errno::NoEnt);
    Recorder recorder(sink, offset);
    if (offset == 0 && !recorder.add(".", inode()->number, FileType::Directory, 1)) return {};
    if (offset == 1) {
      const Ref<Entry> parent = here.parent();
      const uint64_t number = parent != nullptr ? parent->inode().number : inode()->number;
      if (!recorder.add("..", number, FileType::Directory, 2)) return {};
    }
    const Result<> done = inode()->iterate(here, offset, recorder);
    inode()->touch_accessed();
    return done;
  }

 private:
  // Moves the position over what the sink has taken.
  class Recorder final : public DirectorySink {
   public:
    Recorder(DirectorySink& sink, uint64_t& position) : sink_(sink), position_(position) {}
    bool add(std::string_view name, uint64_t inode, FileType type, uint64_t next) override {
      if (!sink_.add(name, inode, type, next)) return false;
      position_ = next;
      return true;
    }

   private:
    DirectorySink& sink_;
    uint64_t& position_;
  };
};

// Stands for an open file that has no place of its own. It does not keep it open: it shows what the file's fstat(2) said
// and, for a pipe, has the pipe itself attached.
class OpenFileInode final : public Inode, public mem::FromCache<OpenFileInode> {
 public:
  OpenFileInode(FileSystem& file_system, const Stat& stat)
      : Inode(file_system, stat.inode, stat.mode, stat.uid, stat.gid), stat_(stat) {}
  void stat(Stat& into) const override { into = stat_; }
  Result<> may_change_attributes() const override { return Error(Errno::Perm); }
  bool is_open_file() const override { return true; }

 private:
  const Stat stat_;
};

identity::AccessMask wanted_access(uint32_t flags) {
  switch (flags & kOpenAccessMask) {
    case kReadOnly: return identity::kMayRead | (flags & kTruncate ? identity::kMayWrite : 0);
    case kWriteOnly: return identity::kMayWrite;
    default: return identity::kMayRead | identity::kMayWrite;
  }
}

Result<> check_may_open(const Credentials& credentials, const Path& path, uint32_t flags) {
  const Inode& inode = *path.inode();
  const identity::AccessMask wanted = wanted_access(flags);
  if (inode.is_symlink()) return Error(Errno::Loop);
  if (inode.is_directory() && wanted & identity::kMayWrite) return Error(Errno::IsDir);
  const bool is_device = inode.type == FileType::Character || inode.type == FileType::Block;
  if (is_device && path.mount()->has(kMountNoDev)) return Error(Errno::Acces);
  if (inode.is_regular() && wanted & identity::kMayWrite && path.mount()->has(kMountReadOnly)) return Error(Errno::RoFs);
  if (!inode.allows(credentials, wanted)) return Error(Errno::Acces);
  if (flags & kNoAtime && !identity::owns(credentials, inode.uid)) return Error(Errno::Perm);
  return {};
}

Result<Ref<File>> open_found(const Credentials& credentials, const Path& path, uint32_t flags) {
  TRY(check_may_open(credentials, path, flags));
  Ref<File> file = TRY(open_inode(path, flags));
  if (flags & kTruncate && path.inode()->is_regular()) {
    drop_set_id(credentials, *path.inode());
    TRY(path.inode()->truncate(0));
  }
  return file;
}

// The last component is not there: make it. Null when somebody else has just made it.
Result<Ref<File>> create(const LookupContext& context, PathWalk& walk, const OpenRequest& request) {
  const Path& directory = walk.directory();
  Ref<Entry> made;
  {
    sync::MutexGuard guard(directory.inode()->file_system.names_lock);
    Result<Ref<Entry>> found = walk.find_last();
    if (found) return Ref<File>();
    if (found.error() != Errno::NoEnt) return Error(found.error());
    made = TRY(make_locked(context.credentials, directory, walk.last_name(),
                           {.mode = mode_of(FileType::Regular) | (request.mode & kModePermissions)}));
  }
  // Whoever makes a file may use it as asked for, whatever its mode says.
  return open_inode(Path(Ref<Mount>(directory.mount()), std::move(made)), request.flags);
}

Result<Ref<File>> open_or_create(const LookupContext& context, const Path& start, std::string_view path,
                                 const OpenRequest& request) {
  const bool exclusive = request.flags & kExclusive;
  const bool follows = !exclusive && !(request.flags & kNoFollow);
  PathWalk walk(context, request.resolve | (follows ? kFollowLast : 0));
  TRY(walk.to_parent(start, path));
  while (true) {
    if (walk.last() != Last::Name || walk.trailing_slash()) return Error(exclusive ? Errno::Exist : Errno::IsDir);
    Result<Ref<Entry>> found = walk.find_last();
    if (!found) {
      if (found.error() != Errno::NoEnt) return Error(found.error());
      TRY(walk.check_last());
      if (Ref<File> file = TRY(create(context, walk, request))) return file;
      continue;
    }
    if (exclusive) {
      TRY(walk.check_last());
      return Error(Errno::Exist);
    }
    const Result<bool> arrived = walk.step_last();
    if (!arrived) {
      // Unlinked since find_last: look again. Not where a link led nowhere: then there is no last component.
      if (arrived.error() == Errno::NoEnt && walk.last() == Last::Name) continue;
      return Error(arrived.error());
    }
    if (!*arrived) continue;                            // a link led to another last component
    TRY(walk.check_place());
    if (walk.place().inode()->is_directory()) return Error(Errno::IsDir);
    return open_found(context.credentials, walk.place(), request.flags);
  }
}

}  // namespace

Result<Ref<File>> open(const LookupContext& context, const Path& start, std::string_view path, const OpenRequest& request) {
  const uint32_t flags = request.flags;
  if (flags & kCreate) return open_or_create(context, start, path, request);

  LookupFlags lookup_flags = request.resolve;
  if (!(flags & kNoFollow)) lookup_flags |= kFollowLast;
  if (flags & kDirectory) lookup_flags |= kWantDirectory;
  const Path place = TRY(lookup(context, start, path, lookup_flags));
  if (flags & kPathOnly) return Ref<File>(TRY(mem::make_ref<PathOnlyFile>(flags, place)));
  if ((flags & kTmpFile) == kTmpFile) {
    const Path unnamed = TRY(make_unnamed(context.credentials, place, request.mode & kModePermissions));
    unnamed.inode()->may_get_name = !(flags & kExclusive);
    return open_inode(unnamed, flags & ~kTmpFile);
  }
  return open_found(context.credentials, place, flags);
}

Result<Ref<File>> open_inode(const Path& path, uint32_t flags) {
  Inode& inode = *path.inode();
  // Of what has no place, only pipes can be opened again.
  if (inode.is_open_file()) return inode.type == FileType::Fifo ? open_pipe(inode, flags) : Error(Errno::Nxio);
  switch (inode.type) {
    case FileType::Directory: return Ref<File>(TRY(mem::make_ref<OpenDirectory>(flags, path)));
    case FileType::Regular: return inode.open(path, flags);
    case FileType::Fifo: return open_fifo(path, flags);
    case FileType::Character: return open_device(inode.device, path, flags);
    case FileType::Symlink: return Error(Errno::Loop);
    default: return Error(Errno::Nxio);      // no block devices here; sockets are connected to, not opened
  }
}

Result<> check_executable(const Credentials& credentials, const Path& path) {
  if (!path.inode()->is_regular()) return Error(Errno::Acces);
  if (path.mount()->has(kMountNoExec) || !path.inode()->allows(credentials, identity::kMayExecute))
    return Error(Errno::Acces);
  return {};
}

Result<Path> place_of(File& file) {
  if (!file.path().empty()) return file.path();
  Stat stat;
  TRY(file.stat(stat));
  Ref<Inode> inode = TRY(mem::make_ref<OpenFileInode>(hidden_mount().file_system(), stat));
  if (auto* pipe_end = file_cast<PipeFile>(file)) inode->attach(Ref<Attachment>(&pipe_end->pipe()));
  Ref<Entry> entry = TRY(Entry::make(nullptr, file.kind(), std::move(inode)));
  return Path(Ref<Mount>(&hidden_mount()), std::move(entry));
}

}  // namespace tine::file
