/* SPDX-License-Identifier: BSD-2-Clause
 * wait(2) in the BSD form: waitpid and wait4 take WEXITED (which changes nothing), WTRAPPED and WNOWAIT too. */
#ifndef _TINE_SYS_WAIT_H_
#define _TINE_SYS_WAIT_H_

#include_next <sys/wait.h>

#define WTRAPPED 0x10 /* a tracer hears of its processes in any case */

#ifdef __cplusplus
extern "C" {
#endif

struct rusage;
pid_t waitpid(pid_t pid, int* status, int options) __asm__("__tine_waitpid");
pid_t wait4(pid_t pid, int* status, int options, struct rusage* usage) __asm__("__tine_wait4");

#ifdef __cplusplus
}
#endif
#endif
