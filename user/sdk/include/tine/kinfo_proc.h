/* SPDX-License-Identifier: BSD-2-Clause
 * What sysctl(2) tells of a process under kern.proc, in OpenBSD's layout. The kernel and <sys/sysctl.h> share it.
 * What Tine does not keep is 0, as marked. */
#ifndef _TINE_KINFO_PROC_H_
#define _TINE_KINFO_PROC_H_

#include <stdint.h>

#define KI_NGROUPS 16
#define KI_MAXCOMLEN 24
#define KI_WMESGLEN 8
#define KI_MAXLOGNAME 32
#define KI_EMULNAMELEN 8
#define KI_NOCPU (~(uint64_t)0)

struct kinfo_proc {
  uint64_t p_forw, p_back, p_paddr; /* these twelve: kernel addresses, 0 */
  uint64_t p_addr, p_fd, p_stats, p_limit, p_vmspace, p_sigacts, p_sess, p_tsess, p_ru;

  int32_t p_eflag;   /* EPROC_* */
  int32_t p_exitsig; /* sent to the parent at the end */
  int32_t p_flag;    /* P_* */
  int32_t p_pid;
  int32_t p_ppid;
  int32_t p_sid;
  int32_t p__pgid;
  int32_t p_tpgid; /* the terminal's foreground group, or -1 */

  uint32_t p_uid;
  uint32_t p_ruid;
  uint32_t p_gid;
  uint32_t p_rgid;
  uint32_t p_groups[KI_NGROUPS];
  int16_t p_ngroups;
  int16_t p_jobc;  /* 0 */
  uint32_t p_tdev; /* the controlling terminal, or NODEV */

  uint32_t p_estcpu; /* 0 */
  uint32_t p_rtime_sec, p_rtime_usec;
  int32_t p_cpticks;                       /* 0 */
  uint32_t p_pctcpu, p_swtime, p_slptime;  /* 0 */
  int32_t p_schedflags;                    /* 0 */
  uint64_t p_uticks, p_sticks, p_iticks;   /* 0 */
  uint64_t p_tracep;                       /* 0 */
  int32_t p_traceflag;                     /* 0 */
  int32_t p_holdcnt;                       /* 0 */

  int32_t p_siglist; /* of these the first 32 signals */
  uint32_t p_sigmask, p_sigignore, p_sigcatch;

  int8_t p_stat; /* SRUN ... */
  uint8_t p_priority, p_usrpri; /* 0 */
  uint8_t p_nice;               /* NZERO + nice */
  uint16_t p_xstat;             /* how it ended, as wait(2) tells it */
  uint16_t p_spare;
  char p_comm[KI_MAXCOMLEN];
  char p_wmesg[KI_WMESGLEN]; /* why it sleeps */
  uint64_t p_wchan;          /* 0 */
  char p_login[KI_MAXLOGNAME];

  int32_t p_vm_rssize; /* pages; text is all that is not data */
  int32_t p_vm_tsize, p_vm_dsize, p_vm_ssize;

  int64_t p_uvalid; /* the following are filled: not in a zombie's */
  uint64_t p_ustart_sec;
  uint32_t p_ustart_usec;
  uint32_t p_uutime_sec, p_uutime_usec;
  uint32_t p_ustime_sec, p_ustime_usec;
  uint64_t p_uru_maxrss, p_uru_ixrss, p_uru_idrss, p_uru_isrss;
  uint64_t p_uru_minflt, p_uru_majflt, p_uru_nswap, p_uru_inblock, p_uru_oublock;
  uint64_t p_uru_msgsnd, p_uru_msgrcv, p_uru_nsignals, p_uru_nvcsw, p_uru_nivcsw;
  uint32_t p_uctime_sec, p_uctime_usec;

  uint32_t p_psflags; /* PS_* */
  uint32_t p_acflag;  /* AFORK */
  uint32_t p_svuid;
  uint32_t p_svgid;
  char p_emul[KI_EMULNAMELEN];
  uint64_t p_rlim_rss_cur;
  uint64_t p_cpuid;
  uint64_t p_vm_map_size;
  int32_t p_tid; /* -1: this is about the process */
  uint32_t p_rtableid;
  uint64_t p_pledge; /* 0 */
  char p_name[KI_MAXCOMLEN];
};

/* p_stat */
#define SIDL 1
#define SRUN 2
#define SSLEEP 3
#define SSTOP 4
#define SZOMB 5
#define SDEAD 6
#define SONPROC 7

/* p_eflag */
#define EPROC_CTTY 0x01
#define EPROC_SLEADER 0x02

/* p_flag */
#define P_SINTR 0x00000080
#define P_SYSTEM 0x00000200
#define P_WEXIT 0x00002000

/* p_psflags */
#define PS_CONTROLT 0x00000001
#define PS_EXEC 0x00000002
#define PS_EXITING 0x00000008
#define PS_SUGID 0x00000010
#define PS_SUGIDEXEC 0x00000020
#define PS_PPWAIT 0x00000040
#define PS_ISPWAIT 0x00000080
#define PS_PROFIL 0x00000100
#define PS_TRACED 0x00000200
#define PS_NOZOMBIE 0x00004000
#define PS_STOPPED 0x00008000
#define PS_SYSTEM 0x00010000
#define PS_EMBRYO 0x00020000
#define PS_ZOMBIE 0x00040000
#define PS_PLEDGE 0x00100000
#define PS_WXNEEDED 0x00200000
#define PS_EXECPLEDGE 0x00400000
#define PS_CHROOT 0x01000000

#endif
