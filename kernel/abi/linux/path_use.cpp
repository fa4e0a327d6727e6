// SPDX-License-Identifier: BSD-2-Clause
// What each system call does with the paths that it is given.
#include "abi/linux/path_argument.h"
#include "abi/linux/promise_table.h"
#include "file/file.h"
#include "tine/syscall.h"

namespace tine::abi::linux_abi {

using process::PathUse;
using process::Promises;
using Kind = PathUse::Kind;
using namespace process::promise;

namespace {

PathUse opening(uint32_t flags) {
  PathUse::Need need;
  const uint32_t access = flags & file::kOpenAccessMask;
  const auto add = [&](Promises promises, file::VeilRights rights) {
    need.promises |= promises;
    need.rights |= rights;
  };
  if (access != file::kWriteOnly || flags & file::kPathOnly) add(kRpath, file::kVeilRead);
  if (access != file::kReadOnly || flags & file::kTruncate) add(kWpath, file::kVeilWrite);
  if (flags & file::kCreate || (flags & file::kTmpFile) == file::kTmpFile) add(kCpath, file::kVeilCreate);
  return {Kind::Open, need, {}};
}

constexpr PathUse one(Kind kind, Promises promises, unsigned rights) {
  return {kind, {promises, static_cast<file::VeilRights>(rights)}, {}};
}

// Without a path the descriptor's own file is meant.
PathUse changing_times(const Call& call, uint32_t at_flags) {
  if (call.args[1] == 0) return one(Kind::Other, kFattr, 0);
  return one(at_flags & kAtEmptyPath ? Kind::Other : Kind::Attributes, kRpath | kFattr, file::kVeilWrite);
}

// A file gets another name: what that name is unveiled for must not add to what the first one was.
constexpr PathUse naming_again(unsigned rights) {
  return {Kind::Other, {kRpath | kCpath, static_cast<file::VeilRights>(rights)}, {kCpath, file::kVeilCreate}};
}

}  // namespace

PathUse path_use(const Call& call, uint64_t number) {
  using file::kVeilCreate, file::kVeilExecute, file::kVeilRead, file::kVeilWrite;
  switch (number) {
    case 2:     // open
      return opening(call.as_unsigned(1));
    case 85:    // creat
      return opening(file::kWriteOnly | file::kCreate | file::kTruncate);
    case 257:   // openat
      return opening(call.as_unsigned(2));
    case 437:   // openat2: its flags are in memory, so it needs what any of them may
      return one(Kind::Other, kRpath | kWpath | kCpath, kVeilRead | kVeilWrite | kVeilCreate);

    case 4: case 6: case 262: case 332:         // stat, lstat, newfstatat, statx
    case 21: case 269: case 439:                // access, faccessat, faccessat2
    case 89: case 267:                          // readlink, readlinkat
      return one(Kind::Inspect, kRpath, kVeilRead);
    case 137:                                   // statfs: of the file system, which unveil(2) hides nothing of
      return one(Kind::Other, kRpath, 0);
    case 80: case 161:                          // chdir, chroot
    case 191: case 192: case 194: case 195:     // getxattr, lgetxattr, listxattr, llistxattr
      return one(Kind::Other, kRpath, kVeilRead);

    case 76:                                    // truncate
      return one(Kind::Other, kWpath, kVeilWrite);
    case 90: case 268: case 132: case 235:      // chmod, fchmodat, utime, utimes
      return one(Kind::Attributes, kRpath | kFattr, kVeilWrite);
    case 261:                                   // futimesat
      return changing_times(call, 0);
    case 280:                                   // utimensat
      return changing_times(call, call.as_unsigned(3));
    case 188: case 189: case 197: case 198:     // setxattr, lsetxattr, removexattr, lremovexattr
      return one(Kind::Other, kRpath | kFattr, kVeilWrite);
    case 92: case 94:                           // chown, lchown
      return one(Kind::Attributes, kRpath | kChown, kVeilWrite);
    case 260:                                   // fchownat
      return one(call.as_unsigned(4) & kAtEmptyPath ? Kind::Other : Kind::Attributes, kRpath | kChown, kVeilWrite);

    case 83: case 258: case 84: case 88: case 266:   // mkdir, mkdirat, rmdir, symlink, symlinkat
      return one(Kind::Other, kCpath, kVeilCreate);
    case 87:                                    // unlink
      return one(Kind::Unlink, kCpath, kVeilCreate);
    case 263:                                   // unlinkat
      return one(call.as_unsigned(2) & kAtRemoveDir ? Kind::Other : Kind::Unlink, kCpath, kVeilCreate);
    case 133: case 259:                         // mknod, mknodat
      return one(Kind::Other, kDpath, kVeilCreate);
    case 82: case 264: case 316:                // rename, renameat, renameat2
      return naming_again(kVeilRead | kVeilWrite | kVeilCreate);
    case 86: case 265:                          // link, linkat
      return naming_again(kVeilRead | kVeilWrite);

    case 59: case 322:                          // execve, execveat
      return one(Kind::Other, kExec, kVeilExecute);
    case 42: case 44: case 46: case 307:        // connect, sendto, sendmsg, sendmmsg: an address may be a path
      return one(Kind::None, kUnix, kVeilWrite);
    case 49:                                    // bind
      return one(Kind::None, kUnix, kVeilCreate);
    case 165: case 166: case 155: case 163: case TINE_SYS_ktrace: case TINE_SYS_acct:   // mount, umount2, pivot_root, acct
      return one(Kind::Other, kNever, kVeilRead | kVeilWrite | kVeilCreate);
    default: return {};
  }
}

}  // namespace tine::abi::linux_abi
