// SPDX-License-Identifier: BSD-2-Clause
#include "abi/linux/traced.h"

#include "abi/linux/table.h"
#include "file/inode.h"
#include "trace/ktrace.h"

namespace tine::abi::linux_abi {

namespace {

// The arguments of a call that are paths: bit n for argument n.
unsigned path_arguments(uint64_t number) {
  switch (number) {
    case 2: case 4: case 6: case 21: case 59:                  // open, stat, lstat, access, execve
    case 76: case 80: case 83: case 84: case 85: case 87:      // truncate, chdir, mkdir, rmdir, creat, unlink
    case 89: case 90: case 92: case 94: case 137: case 161:    // readlink, chmod, chown, lchown, statfs, chroot
      return 1;
    case 82: case 86: case 88:                                 // rename, link, symlink
      return 1 | 2;
    case 257: case 258: case 259: case 260: case 262: case 263:   // openat, mkdirat, mknodat, fchownat, newfstatat, unlinkat
    case 267: case 268: case 269: case 280: case 322: case 332:   // readlinkat, fchmodat, faccessat, utimensat, execveat, statx
    case 437: case 439:                                        // openat2, faccessat2
      return 2;
    case 264: case 265: case 316:                              // renameat, linkat, renameat2
      return 2 | 8;
    default: return 0;
  }
}

void record_names(const Call& call, uint64_t number) {
  const unsigned paths = path_arguments(number);
  for (unsigned i = 0; paths >> i != 0; i++) {
    if (!(paths >> i & 1) || call.args[i] == 0) continue;
    if (const auto path = vm::UserString::copy_in(call.pointer<const char>(i), file::kPathMax))
      trace::record_name(path->view());
  }
}

}  // namespace

void record_entry(const Call& call, uint64_t number) {
  trace::record_call(number, call.args);
  record_names(call, number);
}

void record_exit(const Call& call, uint64_t number, const CallResult& result) {
  const bool moved = result && *result != 0;
  switch (number) {
    case 0: case 17: case 45:   // read, pread64, recvfrom
      if (moved) trace::record_io(call.as_int(0), trace::Direction::Read, call.args[1], *result);
      break;
    case 1: case 18: case 44:   // write, pwrite64, sendto
      if (moved) trace::record_io(call.as_int(0), trace::Direction::Write, call.args[1], *result);
      break;
    default: break;
  }
  trace::record_return(number, result);
}

}  // namespace tine::abi::linux_abi
