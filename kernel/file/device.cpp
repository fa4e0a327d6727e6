// SPDX-License-Identifier: BSD-2-Clause
// The registry of devices, and devtmpfs: one tmpfs that all mounts of it share, with a node for each device.
#include "file/device.h"

#include "file/file_system.h"
#include "file/mount.h"
#include "file/names.h"
#include "file/tmpfs.h"
#include "identity/credentials.h"

namespace tine::file {
namespace {

constinit sync::Spinlock devices_lock{"devices"};
constinit Device* devices GUARDED_BY(devices_lock) = nullptr;

// Never shut down: device_mount keeps its mount count above 0.
constinit Tmpfs* device_file_system = nullptr;
constinit Mount* device_mount = nullptr;      // for the kernel's own use, attached nowhere

Result<Ref<FileSystem>> mount_devtmpfs(std::string_view) { return Ref<FileSystem>(device_file_system); }
constinit FileSystemType devtmpfs_type{"devtmpfs", mount_devtmpfs};

// Creates the directories of `name` and the node.
Result<> make_device_node(const Device& device) {
  auto root_user = TRY(mem::make_ref<identity::Credentials>());
  const Path root = device_mount->root_path();
  const LookupContext context{root, *root_user};
  const std::string_view name(device.name);
  for (size_t slash = name.find('/'); slash != std::string_view::npos; slash = name.find('/', slash + 1)) {
    const Result<Path> made = make_directory(context, root, name.substr(0, slash), 0755);
    if (!made && made.error() != Errno::Exist) return Error(made.error());
  }
  TRY(make_node(context, root, name, mode_of(FileType::Character) | device.mode,
                device_number(device.major, device.minor)));
  return {};
}

}  // namespace

Result<> register_device(Device& device) {
  {
    sync::SpinGuard guard(devices_lock);
    Device** last = &devices;
    while (*last != nullptr) last = &(*last)->next;
    *last = &device;
  }
  if (device.name == nullptr) return {};
  return make_device_node(device);
}

Device* next_device(Device* after) {
  sync::SpinGuard guard(devices_lock);
  return after == nullptr ? devices : after->next;
}

Result<Ref<File>> open_device(DeviceNumber number, const Path& path, uint32_t flags) {
  const uint32_t major = major_of(number), minor = minor_of(number);
  for (Device* device = next_device(nullptr); device != nullptr; device = next_device(device))
    if (device->major == major && minor >= device->minor && minor - device->minor < device->minor_count)
      return device->open(number, path, flags);
  return Error(Errno::Nxio);
}

Result<> init_devices() {
  Tmpfs::Options options;
  options.mode = 0755;
  Ref<Tmpfs> tmpfs = TRY(Tmpfs::make("devtmpfs", options));
  Ref<Entry> root(&tmpfs->root());
  device_file_system = tmpfs.get();
  device_mount = TRY(Mount::make(std::move(tmpfs), std::move(root), "devtmpfs", 0)).detach();
  register_file_system(devtmpfs_type);
  return init_memory_devices();
}

}  // namespace tine::file
