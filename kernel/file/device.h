// SPDX-License-Identifier: BSD-2-Clause
// Character devices: a number leads to a function that opens the device. Registering one also makes its node in devtmpfs.
// Source: null(4), zero(4), full(4), random(4). Lock: the registry's spinlock.
#pragma once

#include "file/file.h"
#include "file/inode.h"

namespace tine::file {

// A kind of device; lives for ever. `open` gives what read and write of the node reach; `path` is where it was opened.
struct Device {
  const char* name;               // in /dev; may contain a directory ("pts/ptmx"); null: no node
  uint32_t mode;                  // permissions of the node
  uint32_t major, minor;
  uint32_t minor_count;           // this many minors from `minor` on lead here; only the first gets a node
  Result<Ref<File>> (*open)(DeviceNumber number, const Path& path, uint32_t flags);
  Device* next = nullptr;
};

// NoMem when the node cannot be made; the device works all the same.
Result<> register_device(Device& device);
Result<Ref<File>> open_device(DeviceNumber number, const Path& path, uint32_t flags);   // Nxio: nobody has this number
Device* next_device(Device* after);     // null: from the first; for /proc/devices

// Boot, after init_tmpfs: the file system type "devtmpfs" and the memory devices (1:x).
Result<> init_devices();
Result<> init_memory_devices();

}  // namespace tine::file
