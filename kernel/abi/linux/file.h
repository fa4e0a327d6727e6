// SPDX-License-Identifier: BSD-2-Clause
// System calls on descriptors and open files.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

// file_io.cpp
CallResult sys_read(const Call&);
CallResult sys_write(const Call&);
CallResult sys_pread64(const Call&);
CallResult sys_pwrite64(const Call&);
CallResult sys_readv(const Call&);
CallResult sys_writev(const Call&);
CallResult sys_preadv(const Call&);
CallResult sys_pwritev(const Call&);
CallResult sys_preadv2(const Call&);
CallResult sys_pwritev2(const Call&);
CallResult sys_lseek(const Call&);

// file_copy.cpp
CallResult sys_sendfile(const Call&);
CallResult sys_copy_file_range(const Call&);

// file_open.cpp
CallResult sys_open(const Call&);
CallResult sys_creat(const Call&);
CallResult sys_openat(const Call&);
CallResult sys_openat2(const Call&);
CallResult sys_memfd_create(const Call&);
CallResult sys_pipe(const Call&);
CallResult sys_pipe2(const Call&);

// file_descriptor.cpp
CallResult sys_close(const Call&);
CallResult sys_close_range(const Call&);
CallResult sys_dup(const Call&);
CallResult sys_dup2(const Call&);
CallResult sys_dup3(const Call&);
CallResult sys_ioctl(const Call&);

// file_control.cpp
CallResult sys_fcntl(const Call&);
CallResult sys_flock(const Call&);

// file_size.cpp
CallResult sys_truncate(const Call&);
CallResult sys_ftruncate(const Call&);
CallResult sys_fallocate(const Call&);
CallResult sys_fsync(const Call&);
CallResult sys_fdatasync(const Call&);
CallResult sys_sync(const Call&);
CallResult sys_syncfs(const Call&);
CallResult sys_sync_file_range(const Call&);
CallResult sys_fadvise64(const Call&);
CallResult sys_readahead(const Call&);

// file_stat.cpp
CallResult sys_stat(const Call&);
CallResult sys_lstat(const Call&);
CallResult sys_fstat(const Call&);
CallResult sys_newfstatat(const Call&);
CallResult sys_statx(const Call&);
CallResult sys_statfs(const Call&);
CallResult sys_fstatfs(const Call&);
CallResult sys_getdents(const Call&);
CallResult sys_getdents64(const Call&);

}  // namespace tine::abi::linux_abi
