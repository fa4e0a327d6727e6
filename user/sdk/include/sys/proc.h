/* SPDX-License-Identifier: BSD-2-Clause
 * States and flags of processes as sysctl(2) tells them. */
#ifndef _SYS_PROC_H_
#define _SYS_PROC_H_

#include <tine/kinfo_proc.h>

#endif
