/* SPDX-License-Identifier: BSD-2-Clause
 * Kernel settings. Source: sysctl(2). */
#ifndef _TINE_SYS_SYSCTL_H_
#define _TINE_SYS_SYSCTL_H_

#include <stdint.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/types.h>
#include <tine/kinfo_proc.h>

#define CTL_MAXNAME 12
#define CTL_KERN 1
#define CTL_VM 2
#define CTL_HW 6

#define KERN_OSTYPE 1
#define KERN_OSRELEASE 2
#define KERN_VERSION 4
#define KERN_MAXPROC 6
#define KERN_ARGMAX 8
#define KERN_HOSTNAME 10
#define KERN_CLOCKRATE 12 /* struct clockinfo */
#define KERN_POSIX1 17
#define KERN_NGROUPS 18
#define KERN_JOB_CONTROL 19
#define KERN_SAVED_IDS 20
#define KERN_BOOTTIME 21 /* struct timeval */
#define KERN_DOMAINNAME 22
#define KERN_MAXTHREAD 25
#define KERN_NTHREADS 26
#define KERN_FORKSTAT 42 /* struct forkstat */
#define KERN_NPROCS 47
#define KERN_PROC_ARGS 55
#define KERN_PROC 66 /* struct kinfo_proc, an array */
/* Tine's own numbers for names without a fixed one. */
#define KERN_LASTPID 1000
#define KERN_RANDOMPID 1001
#define KERN_PIDMODE 1002
#define KERN_FAST_VFORK 1003
#define KERN_PID_MAX 1004

/* {CTL_KERN, KERN_PROC, one of these, its argument, sizeof(struct kinfo_proc), how many at most} */
#define KERN_PROC_ALL 0 /* all but the kernel's */
#define KERN_PROC_PID 1
#define KERN_PROC_PGRP 2
#define KERN_PROC_SESSION 3
#define KERN_PROC_TTY 4
#define KERN_PROC_UID 5
#define KERN_PROC_RUID 6
#define KERN_PROC_KTHREAD 7 /* all */

/* {CTL_KERN, KERN_PROC_ARGS, pid, one of these} */
#define KERN_PROC_ARGV 1 /* pointers, ending with NULL, and the strings that they point to */
#define KERN_PROC_NARGV 2
#define KERN_PROC_ENV 3
#define KERN_PROC_NENV 4

#define VM_LOADAVG 2 /* struct loadavg */

#define HW_MACHINE 1
#define HW_NCPU 3
#define HW_BYTEORDER 4
#define HW_PHYSMEM 5
#define HW_USERMEM 6
#define HW_PAGESIZE 7
#define HW_PHYSMEM64 19
#define HW_USERMEM64 20
#define HW_NCPUFOUND 21
#define HW_NCPUONLINE 25

struct clockinfo {
  int hz, tick, stathz, profhz;
};

struct forkstat {
  int cntfork, cntvfork, cnttfork, cntkthread; /* how many of each kind */
  int sizfork, sizvfork, siztfork, sizkthread; /* their pages */
  int cntrfork, sizrfork;
};

struct loadavg {
  uint32_t ldavg[3]; /* in 1/fscale */
  long fscale;
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
