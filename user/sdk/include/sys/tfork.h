/* SPDX-License-Identifier: BSD-2-Clause
 * Threads as OpenBSD's libc makes them. Source: __tfork(2), __threxit(2). */
#ifndef _TINE_SYS_TFORK_H_
#define _TINE_SYS_TFORK_H_

#include <sys/types.h>

struct __tfork {
  void* tf_tcb;    /* thread-local storage */
  pid_t* tf_tid;   /* where the new id is stored; may be NULL */
  void* tf_stack;  /* the highest address of the new thread's stack */
};

#ifdef __cplusplus
extern "C" {
#endif

/* The new thread calls function(argument) and ends when that returns. The C library knows nothing of such a thread. */
pid_t __tfork_thread(const struct __tfork* parameters, size_t size, void (*function)(void*), void* argument);
void __threxit(pid_t* not_dead) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
#endif
