/* SPDX-License-Identifier: BSD-2-Clause
 * Process descriptors. Source: pdfork(2). */
#ifndef _TINE_SYS_PROCDESC_H_
#define _TINE_SYS_PROCDESC_H_

#include <sys/resource.h>
#include <sys/types.h>

#define PD_DAEMON 1  /* closing the last descriptor does not kill */
#define PD_CLOEXEC 2

#ifdef __cplusplus
extern "C" {
#endif

pid_t pdfork(int* descriptor, int flags);
int pdkill(int descriptor, int signal);
int pdgetpid(int descriptor, pid_t* pid);
pid_t pdwait4(int descriptor, int* status, int options, struct rusage* usage);

#ifdef __cplusplus
}
#endif
#endif
