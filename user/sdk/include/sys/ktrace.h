/* SPDX-License-Identifier: BSD-2-Clause
 * ktrace(2): operations, trace points, and the records of a trace file, as OpenBSD has them. */
#ifndef _SYS_KTRACE_H_
#define _SYS_KTRACE_H_

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#ifdef __cplusplus
extern "C" {
#endif

/* operations */
#define KTROP_SET 0
#define KTROP_CLEAR 1
#define KTROP_CLEARFILE 2
#define KTROP(o) ((o) & 3)
#define KTRFLAG_DESCEND 4

/* record types */
#define KTR_SYSCALL 1
#define KTR_SYSRET 2
#define KTR_NAMEI 3
#define KTR_GENIO 4
#define KTR_PSIG 5
#define KTR_STRUCT 8
#define KTR_USER 9
#define KTR_EXECARGS 10

/* trace points */
#define KTRFAC_SYSCALL (1 << KTR_SYSCALL)
#define KTRFAC_SYSRET (1 << KTR_SYSRET)
#define KTRFAC_NAMEI (1 << KTR_NAMEI)
#define KTRFAC_GENIO (1 << KTR_GENIO)
#define KTRFAC_PSIG (1 << KTR_PSIG)
#define KTRFAC_STRUCT (1 << KTR_STRUCT)
#define KTRFAC_USER (1 << KTR_USER)
#define KTRFAC_EXECARGS (1 << KTR_EXECARGS)
#define KTRFAC_ROOT 0x80000000U
#define KTRFAC_INHERIT 0x40000000

#define KTR_USER_MAXIDLEN 20
#define KTR_USER_MAXLEN 2048

struct ktr_header {
  unsigned ktr_type;
  pid_t ktr_pid;
  pid_t ktr_tid;
  struct timespec ktr_time;
  char ktr_comm[24];
  size_t ktr_len; /* of what follows */
};

struct ktr_syscall {
  int ktr_code;
  int ktr_argsize; /* bytes of arguments that follow, 8 for each */
};

struct ktr_sysret {
  int ktr_code;
  int ktr_error; /* if 0, the returned value (8 bytes) follows */
};

/* KTR_NAMEI: the path, without a terminating 0. KTR_EXECARGS: the arguments, each with one. */

struct ktr_genio {
  int ktr_fd;
  int ktr_rw; /* 0: read, 1: written; the data follow */
};

struct ktr_psig {
  int signo;
  int code;
  uint64_t action; /* the handler, or 0 */
  uint64_t mask;
  unsigned char si[128]; /* siginfo_t */
};

struct ktr_user {
  char ktr_id[KTR_USER_MAXIDLEN];
};

/* KTR_STRUCT: the name with its terminating 0, then the struct. */

int ktrace(const char *file, int operation, int trace_points, pid_t pid);
int utrace(const char *label, const void *address, size_t size);

#ifdef __cplusplus
}
#endif

#endif
