// SPDX-License-Identifier: BSD-2-Clause
#include "file/init.h"

#include "file/device.h"
#include "file/mount.h"
#include "file/tmpfs.h"

namespace tine::file {

Result<> init() {
  TRY(init_tmpfs());
  return init_devices();
}

Result<Path> make_root_file_system() {
  Tmpfs::Options options;
  options.mode = 0755;
  Ref<Tmpfs> tmpfs = TRY(Tmpfs::make("rootfs", options));
  Ref<Entry> root(&tmpfs->root());
  Ref<Mount> mount = TRY(Mount::make(std::move(tmpfs), std::move(root), "rootfs", 0));
  const Path path = mount->root_path();
  set_root_mount(std::move(mount));
  return path;
}

}  // namespace tine::file
