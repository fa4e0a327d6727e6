// SPDX-License-Identifier: BSD-2-Clause
// System calls about a process's memory, and about another's.
#pragma once

#include "abi/linux/syscall.h"

namespace tine::abi::linux_abi {

CallResult sys_mmap(const Call&);
CallResult sys_munmap(const Call&);
CallResult sys_mprotect(const Call&);
CallResult sys_brk(const Call&);
CallResult sys_mremap(const Call&);
CallResult sys_msync(const Call&);
CallResult sys_mincore(const Call&);
CallResult sys_madvise(const Call&);
CallResult sys_mlock(const Call&);
CallResult sys_mlock2(const Call&);
CallResult sys_munlock(const Call&);
CallResult sys_mlockall(const Call&);
CallResult sys_munlockall(const Call&);
CallResult sys_membarrier(const Call&);
CallResult sys_process_vm_readv(const Call&);
CallResult sys_process_vm_writev(const Call&);

}  // namespace tine::abi::linux_abi
