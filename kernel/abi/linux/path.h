// SPDX-License-Identifier: BSD-2-Clause
// System calls on names: directories, links, attributes by path, mounts.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

// path_names.cpp
CallResult sys_mkdir(const Call&);
CallResult sys_mkdirat(const Call&);
CallResult sys_mknod(const Call&);
CallResult sys_mknodat(const Call&);
CallResult sys_symlink(const Call&);
CallResult sys_symlinkat(const Call&);
CallResult sys_link(const Call&);
CallResult sys_linkat(const Call&);
CallResult sys_unlink(const Call&);
CallResult sys_unlinkat(const Call&);
CallResult sys_rmdir(const Call&);
CallResult sys_rename(const Call&);
CallResult sys_renameat(const Call&);
CallResult sys_renameat2(const Call&);
CallResult sys_readlink(const Call&);
CallResult sys_readlinkat(const Call&);

// path_attributes.cpp
CallResult sys_chmod(const Call&);
CallResult sys_fchmod(const Call&);
CallResult sys_fchmodat(const Call&);
CallResult sys_chown(const Call&);
CallResult sys_lchown(const Call&);
CallResult sys_fchown(const Call&);
CallResult sys_fchownat(const Call&);
CallResult sys_access(const Call&);
CallResult sys_faccessat(const Call&);
CallResult sys_faccessat2(const Call&);
CallResult sys_utime(const Call&);
CallResult sys_utimes(const Call&);
CallResult sys_futimesat(const Call&);
CallResult sys_utimensat(const Call&);

// path_place.cpp
CallResult sys_getcwd(const Call&);
CallResult sys_chdir(const Call&);
CallResult sys_fchdir(const Call&);
CallResult sys_chroot(const Call&);
CallResult sys_umask(const Call&);

// path_mount.cpp
CallResult sys_mount(const Call&);
CallResult sys_umount2(const Call&);

// path_extended.cpp: extended attributes
CallResult sys_setxattr(const Call&);
CallResult sys_lsetxattr(const Call&);
CallResult sys_fsetxattr(const Call&);
CallResult sys_getxattr(const Call&);
CallResult sys_lgetxattr(const Call&);
CallResult sys_fgetxattr(const Call&);
CallResult sys_listxattr(const Call&);
CallResult sys_llistxattr(const Call&);
CallResult sys_flistxattr(const Call&);
CallResult sys_removexattr(const Call&);
CallResult sys_lremovexattr(const Call&);
CallResult sys_fremovexattr(const Call&);

}  // namespace tine::abi::linux_abi
