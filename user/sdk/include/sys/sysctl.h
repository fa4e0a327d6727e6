/* SPDX-License-Identifier: BSD-2-Clause
 * Kernel settings. Source: sysctl(2). */
#ifndef _TINE_SYS_SYSCTL_H_
#define _TINE_SYS_SYSCTL_H_

#include <sys/types.h>

#define CTL_MAXNAME 12
#define CTL_KERN 1

#define KERN_OSTYPE 1
#define KERN_OSRELEASE 2
#define KERN_VERSION 4
#define KERN_MAXPROC 6
#define KERN_HOSTNAME 10
#define KERN_NGROUPS 18
#define KERN_DOMAINNAME 22
#define KERN_MAXTHREAD 25
#define KERN_NTHREADS 26
#define KERN_FORKSTAT 42
#define KERN_NPROCS 47
/* Tine's own numbers for names without a fixed one. */
#define KERN_LASTPID 1000
#define KERN_RANDOMPID 1001
#define KERN_PIDMODE 1002
#define KERN_FAST_VFORK 1003
#define KERN_PID_MAX 1004

struct forkstat {
  int cntfork, cntvfork, cnttfork, cntkthread; /* how many of each kind */
  int sizfork, sizvfork, siztfork, sizkthread; /* their pages */
  int cntrfork, sizrfork;
};

#ifdef __cplusplus
extern "C" {
#endif

int sysctl(const int* name, unsigned int length, void* old, size_t* old_size, const void* value, size_t value_size);
int sysctlbyname(const char* name, void* old, size_t* old_size, const void* value, size_t value_size);

#ifdef __cplusplus
}
#endif
#endif
