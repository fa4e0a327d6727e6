/* SPDX-License-Identifier: BSD-2-Clause
 * What OpenBSD's <sys/select.h> has beyond the C library's. */
#ifndef _TINE_SYS_SELECT_H_
#define _TINE_SYS_SELECT_H_

#include_next <sys/select.h>

#ifndef howmany
#define howmany(n,d) (((n)+((d)-1))/(d)) /* in musl's <sys/param.h> in the same words */
#endif

#endif
