/* SPDX-License-Identifier: BSD-2-Clause
 * ptrace(2) in the BSD form: a process is traced as a whole, by its parent or by whoever attaches. Requests, structures
 * and their numbers are OpenBSD's. A program that wants Linux's ptrace(2) defines _TINE_LINUX_PTRACE first. */
#ifdef _TINE_LINUX_PTRACE
#include_next <sys/ptrace.h>
#else

#ifndef _TINE_SYS_PTRACE_H_
#define _TINE_SYS_PTRACE_H_

#include <stddef.h>
#include <sys/types.h>

#define PT_TRACE_ME 0
#define PT_READ_I 1
#define PT_READ_D 2
#define PT_WRITE_I 4
#define PT_WRITE_D 5
#define PT_CONTINUE 7
#define PT_KILL 8
#define PT_ATTACH 9
#define PT_DETACH 10
#define PT_IO 11
#define PT_SET_EVENT_MASK 12
#define PT_GET_EVENT_MASK 13
#define PT_GET_PROCESS_STATE 14
#define PT_GET_THREAD_FIRST 15
#define PT_GET_THREAD_NEXT 16
#define PT_STEP 32
#define PT_GETREGS 33
#define PT_SETREGS 34
#define PT_GETFPREGS 35
#define PT_SETFPREGS 36

struct ptrace_io_desc {
  int piod_op;
  void* piod_offs; /* in the traced process */
  void* piod_addr; /* in the caller */
  size_t piod_len; /* what is wanted; what was done */
};
#define PIOD_READ_D 1
#define PIOD_WRITE_D 2
#define PIOD_READ_I 3
#define PIOD_WRITE_I 4
#define PIOD_READ_AUXV 5

typedef struct ptrace_event {
  int pe_set_event;
} ptrace_event_t;
#define PTRACE_FORK 0x0002

typedef struct ptrace_state {
  int pe_report_event;
  pid_t pe_other_pid; /* of a fork: the child in its parent's state, the parent in the child's */
  pid_t pe_tid;       /* the thread that stopped */
} ptrace_state_t;

struct ptrace_thread_state {
  pid_t pts_tid; /* -1: no more */
};

#ifdef __cplusplus
extern "C" {
#endif

/* The C library has a ptrace of its own. */
int ptrace(int request, pid_t pid, caddr_t addr, int data) __asm__("__tine_ptrace");

#ifdef __cplusplus
}
#endif

#endif
#endif
