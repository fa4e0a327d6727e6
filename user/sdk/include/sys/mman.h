/* SPDX-License-Identifier: BSD-2-Clause
 * minherit(2): what a fork does with a range of memory; and mmap(2) in the BSD form. */
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

#define MAP_GUARD (MAP_PRIVATE | MAP_ANON | MAP_NORESERVE) /* with PROT_NONE: addresses that nothing else gets */

#ifdef __cplusplus
extern "C" {
#endif

int minherit(void* start, size_t size, int inherit);
/* Memory is private if the flags do not say which, as on the BSDs; Linux refuses such a call. */
void* mmap(void* start, size_t size, int protection, int flags, int descriptor, off_t offset) __asm__("__tine_mmap");

#ifdef __cplusplus
}
#endif
#endif
