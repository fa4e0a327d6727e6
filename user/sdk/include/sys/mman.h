/* SPDX-License-Identifier: BSD-2-Clause
 * minherit(2): what a fork does with a range of memory. */
#ifndef _TINE_SYS_MMAN_H_
#define _TINE_SYS_MMAN_H_

#include_next <sys/mman.h>

#define INHERIT_SHARE 0
#define INHERIT_COPY 1
#define INHERIT_NONE 2
#define INHERIT_ZERO 3
#define MAP_INHERIT_SHARE INHERIT_SHARE
#define MAP_INHERIT_COPY INHERIT_COPY
#define MAP_INHERIT_NONE INHERIT_NONE
#define MAP_INHERIT_ZERO INHERIT_ZERO

#ifdef __cplusplus
extern "C" {
#endif

int minherit(void* start, size_t size, int inherit);

#ifdef __cplusplus
}
#endif
#endif
