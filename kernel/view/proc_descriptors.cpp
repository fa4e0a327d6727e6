// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/fd and /proc/PID/fdinfo: the open files of a process. A link in fd/ leads to the file itself, whatever its
// name means by now, and to files that have no name at all, like pipes.
#include "base/format.h"
#include "file/mount.h"
#include "file/open.h"
#include "view/procfs.h"

namespace tine::view {
namespace {

using file::FileType;

Result<Ref<file::File>> file_of(const Subject& subject) {
  auto found = inspector().file_of(*TRY(process_of(subject)), subject.descriptor);
  if (!found && found.error() != Errno::Acces) return Error(Errno::NoEnt);
  return found;
}

// "/etc/passwd", "pipe:[17]", "anon_inode:[eventpoll]".
Result<std::string_view> read_descriptor_link(std::span<char> into, const Subject& subject) {
  const auto file = TRY(file_of(subject));
  if (!file->path().empty()) return file::path_name(file->path(), root_of_caller(), into);
  const std::string_view kind(file->kind());
  if (kind.starts_with('[')) return format(into, "anon_inode:%s", file->kind());
  if (kind.contains(':')) return format(into, "%s", file->kind());
  file::Stat stat;
  TRY(file->stat(stat));
  return format(into, "%s:[%llu]", file->kind(), static_cast<unsigned long long>(stat.inode));
}

Result<file::Path> follow_descriptor(const Subject& subject) { return file::place_of(*TRY(file_of(subject))); }

// A glance without the lock: the file may be the very one that is being read.
uint64_t position_of(const file::File& file) NO_THREAD_SAFETY_ANALYSIS {
  return __atomic_load_n(&file.offset, __ATOMIC_RELAXED);
}

Result<> print_descriptor(TextSink& sink, const Subject& subject) {
  const auto file = TRY(file_of(subject));
  file::Stat stat;
  TRY(file->stat(stat));
  const auto descriptors = TRY(process_of(subject))->descriptors();
  const bool close_on_exec = descriptors && descriptors->close_on_exec(subject.descriptor);
  sink.print("pos:\t%llu\n", static_cast<unsigned long long>(position_of(*file)));
  sink.print("flags:\t0%o\n", file->flags() | (close_on_exec ? file::kCloseOnExec : 0));
  sink.print("mnt_id:\t%u\n", file->path().empty() ? 0 : file->path().mount()->id());
  sink.print("ino:\t%llu\n", static_cast<unsigned long long>(stat.inode));
  file->describe(sink);
  return {};
}

constexpr Node kLinkNode{.name = "", .mode = file::mode_of(FileType::Symlink) | 0700, .guarded = true,
                         .read_link = read_descriptor_link, .follow = follow_descriptor};
constexpr Node kInfoNode{
    .name = "", .mode = file::mode_of(FileType::Regular) | 0444, .guarded = true, .print = print_descriptor};

template <const Node& kNode>
Result<Ref<file::Entry>> find_descriptor(file::Entry& here, std::string_view name, const Subject& subject) {
  Subject descriptor = subject;
  descriptor.descriptor = TRY(parse_name(name));
  TRY(file_of(descriptor));
  return make_entry(here, name, kNode, descriptor);
}

template <const Node& kNode>
Result<> list_descriptors(uint64_t from, Listing& listing, const Subject& subject) {
  const auto descriptors = TRY(inspector().descriptors_of(*TRY(process_of(subject))));
  if (!descriptors) return {};
  for (int number = descriptors->next_used(static_cast<int>(from)); number >= 0;
       number = descriptors->next_used(number + 1)) {
    Subject descriptor = subject;
    descriptor.descriptor = number;
    char name[16];
    if (!listing.add(format(name, "%d", number), kNode, descriptor, static_cast<uint64_t>(number) + 1)) break;
  }
  return {};
}

}  // namespace

constinit const Directory kDescriptorDirectory{
    .nodes = {}, .find = find_descriptor<kLinkNode>, .list = list_descriptors<kLinkNode>};
constinit const Directory kDescriptorInfoDirectory{
    .nodes = {}, .find = find_descriptor<kInfoNode>, .list = list_descriptors<kInfoNode>};

}  // namespace tine::view
