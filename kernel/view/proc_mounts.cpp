// SPDX-License-Identifier: BSD-2-Clause
// /proc/PID/mounts and /proc/PID/mountinfo: what is mounted where, as the reader sees it from its root.
#include "file/mount.h"
#include "file/mount_changes.h"
#include "view/mounts_file.h"

namespace tine::view {
namespace {

void print_options(TextSink& sink, const file::Mount& mount) {
  sink.put(mount.has(file::kMountReadOnly) ? "ro" : "rw");
  if (mount.has(file::kMountNoSuid)) sink.put(",nosuid");
  if (mount.has(file::kMountNoDev)) sink.put(",nodev");
  if (mount.has(file::kMountNoExec)) sink.put(",noexec");
  if (mount.has(file::kMountNoAtime)) sink.put(",noatime");
  if (mount.has(file::kMountRelAtime)) sink.put(",relatime");
}

// Calls visit(mount, where) for each mount that the caller can reach, with its place as a path.
template <class Visit>
Result<> for_each_mount(Visit&& visit) {
  const file::Path root = root_of_caller();
  auto buffer = TRY(mem::Buffer<char>::make(file::kPathMax));
  for (auto mount = file::next_mount(0); mount; mount = file::next_mount(mount->id())) {
    const auto where = file::path_name(mount->root_path(), root, buffer.span());
    if (where && where->starts_with('/')) visit(*mount, *where);
  }
  return {};
}

}  // namespace

MountsFile::MountsFile(uint32_t flags, const file::Path& path, Print print_text, const Subject& subject)
    : TextFile(flags, path), print_text_(print_text), subject_(subject), seen_(file::mount_change_count()) {}

file::PollEvents MountsFile::poll(file::Poller* poller) {
  if (poller != nullptr) poller->watch(file::mount_changes());
  const uint64_t now = file::mount_change_count();
  const bool changed = seen_.exchange(now) != now;
  return file::kPollIn | file::kPollRdNorm | (changed ? file::kPollErr | file::kPollPri : 0);
}

Result<Ref<file::File>> open_mounts(const file::Path& path, uint32_t flags, const Subject& subject) {
  return Ref<file::File>(TRY(mem::make_ref<MountsFile>(flags, path, print_mounts, subject)));
}
Result<Ref<file::File>> open_mountinfo(const file::Path& path, uint32_t flags, const Subject& subject) {
  return Ref<file::File>(TRY(mem::make_ref<MountsFile>(flags, path, print_mountinfo, subject)));
}

Result<> print_mounts(TextSink& sink, const Subject&) {
  return for_each_mount([&](file::Mount& mount, std::string_view where) {
    sink.put_escaped(mount.source());
    sink.put(' ');
    sink.put_escaped(where);
    sink.print(" %s ", mount.file_system().type_name);
    print_options(sink, mount);
    sink.put(" 0 0\n");
  });
}

Result<> print_mountinfo(TextSink& sink, const Subject&) {
  auto buffer = TRY(mem::Buffer<char>::make(file::kPathMax));
  return for_each_mount([&](file::Mount& mount, std::string_view where) {
    const file::Path point = mount.mount_point();
    const file::DeviceNumber device = mount.file_system().device;
    sink.print("%u %u %u:%u ", mount.id(), point.empty() ? mount.id() : point.mount()->id(), file::major_of(device),
               file::minor_of(device));
    // Which part of the file system is shown: its place below the file system's own root.
    const file::Path shown = mount.root_path();
    const file::Path whole(Ref<file::Mount>(&mount), Ref<file::Entry>(&mount.file_system().root()));
    sink.put_escaped(shown == whole ? std::string_view("/") : file::path_name(shown, whole, buffer.span()).value_or("/"));
    sink.put(' ');
    sink.put_escaped(where);
    sink.put(' ');
    print_options(sink, mount);
    sink.print(" - %s ", mount.file_system().type_name);
    sink.put_escaped(mount.source());
    sink.put(mount.has(file::kMountReadOnly) ? " ro\n" : " rw\n");
  });
}

}  // namespace tine::view
