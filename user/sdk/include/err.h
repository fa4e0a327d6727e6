/* SPDX-License-Identifier: BSD-2-Clause
 * What the BSDs declare in <err.h> beyond the C library: messages with an error that is not in errno. */
#ifndef _TINE_ERR_H_
#define _TINE_ERR_H_

#include_next <err.h>

#ifdef __cplusplus
extern "C" {
#endif

void errc(int status, int error, const char *format, ...) __attribute__((__noreturn__, __format__(__printf__, 3, 4)));
void verrc(int status, int error, const char *format, va_list arguments) __attribute__((__noreturn__));
void warnc(int error, const char *format, ...) __attribute__((__format__(__printf__, 2, 3)));
void vwarnc(int error, const char *format, va_list arguments);

#ifdef __cplusplus
}
#endif
#endif
