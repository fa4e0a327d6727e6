// SPDX-License-Identifier: BSD-2-Clause
#include "boot/root.h"

#include "base/log.h"
#include "file/initrd.h"
#include "file/mount.h"
#include "file/tmpfs.h"
#include "machine/boot.h"
#include "machine/clock.h"
#include "process/process.h"

namespace tine::boot {

namespace {

[[gnu::noinline]] void unpack(const file::Path& root) {   // its large frame ends with it
  const std::span<const std::byte> archive = machine::boot_info().initrd;
  if (archive.empty()) {
    log(LogLevel::Error, "tine: no initrd; start the machine with -initrd FILE (a newc cpio with /init); powering off\n");
    machine::power_off(1);
  }
  const auto summary = file::unpack_initrd(archive, root);
  if (!summary) {
    const std::string_view problem = summary.error().text();
    log(LogLevel::Error, "tine: %.*s; powering off\n", static_cast<int>(problem.size()), problem.data());
    machine::power_off(1);
  }
  log(LogLevel::Info, "initrd: %u members, %llu KiB\n", summary->members,
      static_cast<unsigned long long>(summary->bytes >> 10));
}

}  // namespace

Result<> make_root() {
  file::Tmpfs::Options options;
  options.mode = 0755;
  const Ref<file::Tmpfs> tmpfs = TRY(file::Tmpfs::make("rootfs", options));
  Ref<file::Mount> mount = TRY(file::Mount::make(tmpfs, Ref<file::Entry>(&tmpfs->root()), "rootfs", 0));
  file::set_root_mount(std::move(mount));
  const file::Path root = file::root_of_everything();
  unpack(root);
  const Ref<file::FsContext> fs = process::current().process().fs();
  fs->set_root(root);
  fs->set_working_directory(root);
  return {};
}

}  // namespace tine::boot
