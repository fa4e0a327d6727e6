/* SPDX-License-Identifier: BSD-2-Clause
 * What the BSDs declare in <stdlib.h> beyond the C library. */
#ifndef _TINE_STDLIB_H_
#define _TINE_STDLIB_H_

#include_next <stdlib.h>

#ifdef __cplusplus
extern "C" {
#endif

const char *getprogname(void);
void setprogname(const char *name);
/* A decimal number from least to most; else 0, errno is EINVAL or ERANGE, and *error says which in a word. */
long long strtonum(const char *text, long long least, long long most, const char **error);

#ifdef __cplusplus
}
#endif
#endif
