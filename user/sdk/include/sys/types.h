/* SPDX-License-Identifier: BSD-2-Clause
 * On the BSDs <sys/types.h> has the types of fixed size too. */
#ifndef _TINE_SYS_TYPES_H_
#define _TINE_SYS_TYPES_H_

#include_next <sys/types.h>
#include <stdint.h>

#endif
