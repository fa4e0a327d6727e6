/* SPDX-License-Identifier: BSD-2-Clause
 * The macros with which BSD sources annotate declarations. musl has no such header. */
#ifndef _SYS_CDEFS_H_
#define _SYS_CDEFS_H_

/* musl's structures have members named __unused: these headers must come before the macro. */
#include <fenv.h>
#include <mqueue.h>
#include <search.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <utmpx.h>

#ifdef __cplusplus
#define __BEGIN_DECLS extern "C" {
#define __END_DECLS }
#else
#define __BEGIN_DECLS
#define __END_DECLS
#endif

#define __dead __attribute__((__noreturn__))
#define __dead2 __dead
#define __unused __attribute__((__unused__))
#define __used __attribute__((__used__))
#define __packed __attribute__((__packed__))
#define __aligned(bytes) __attribute__((__aligned__(bytes)))
#define __pure2 __attribute__((__const__))
#define __malloc_like __attribute__((__malloc__))
#define __printflike(format, first) __attribute__((__format__(__printf__, format, first)))
#define __result_use_check __attribute__((__warn_unused_result__))
#define __predict_true(condition) __builtin_expect((condition) != 0, 1)
#define __predict_false(condition) __builtin_expect((condition) != 0, 0)
#define __DECONST(type, value) ((type)(uintptr_t)(const void *)(value))
#define __UNCONST(value) ((void *)(unsigned long)(const void *)(value))
#define __CONCAT1(a, b) a##b
#define __CONCAT(a, b) __CONCAT1(a, b)
#define __STRING(text) #text
#define __offsetof(type, member) __builtin_offsetof(type, member)

/* Marks of a source's origin: nothing. */
#define __FBSDID(text) struct __tine_nothing
#define __RCSID(text) struct __tine_nothing
#define __COPYRIGHT(text) struct __tine_nothing

#ifndef nitems
#define nitems(array) (sizeof(array) / sizeof((array)[0]))
#endif

#endif
