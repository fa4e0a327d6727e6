/* SPDX-License-Identifier: BSD-2-Clause
 * Reapers. Source: procctl(2). */
#ifndef _TINE_SYS_PROCCTL_H_
#define _TINE_SYS_PROCCTL_H_

#include <sys/types.h>
#include <sys/wait.h>

#define PROC_REAP_ACQUIRE 2
#define PROC_REAP_RELEASE 3
#define PROC_REAP_STATUS 4
#define PROC_REAP_GETPIDS 5
#define PROC_REAP_KILL 6

struct procctl_reaper_status {
  unsigned int rs_flags, rs_children, rs_descendants;
  pid_t rs_reaper, rs_pid;
  unsigned int rs_pad0[15];
};
#define REAPER_STATUS_OWNED 0x1
#define REAPER_STATUS_REALINIT 0x2

struct procctl_reaper_pidinfo {
  pid_t pi_pid, pi_subtree;
  unsigned int pi_flags, pi_pad0[15];
};
#define REAPER_PIDINFO_VALID 0x1
#define REAPER_PIDINFO_CHILD 0x2
#define REAPER_PIDINFO_REAPER 0x4
#define REAPER_PIDINFO_ZOMBIE 0x8

struct procctl_reaper_pids {
  unsigned int rp_count, rp_pad0[15];
  struct procctl_reaper_pidinfo* rp_pids;
};

struct procctl_reaper_kill {
  int rk_sig;
  unsigned int rk_flags;
  pid_t rk_subtree;
  unsigned int rk_killed;
  pid_t rk_fpid;
  unsigned int rk_pad0[15];
};
#define REAPER_KILL_CHILDREN 0x1
#define REAPER_KILL_SUBTREE 0x2

#ifdef __cplusplus
extern "C" {
#endif

int procctl(idtype_t type, id_t id, int command, void* data);

#ifdef __cplusplus
}
#endif
#endif
