/* SPDX-License-Identifier: BSD-2-Clause
 * Process descriptors. Source: pdfork(2). */
#ifndef _TINE_SYS_PROCDESC_H_
#define _TINE_SYS_PROCDESC_H_

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>
#include <sys/wait.h>

#define PD_DAEMON 1  /* closing the last descriptor does not kill */
#define PD_CLOEXEC 2

#ifndef _TINE_WRUSAGE
#define _TINE_WRUSAGE
struct __wrusage {
  struct rusage wru_self, wru_children; /* wru_children: of its children that it waited for */
};
#endif

#ifdef __cplusplus
extern "C" {
#endif

pid_t pdfork(int* descriptor, int flags);
int pdkill(int descriptor, int signal);
int pdgetpid(int descriptor, pid_t* pid);
pid_t pdwait4(int descriptor, int* status, int options, struct rusage* usage);
/* options: WEXITED, WSTOPPED, WCONTINUED, at least one of them, and WNOHANG, WNOWAIT. ESRCH: it is reaped. */
int pdwait(int descriptor, int* status, int options, struct __wrusage* usage, siginfo_t* info);

#ifdef __cplusplus
}
#endif
#endif
