/* SPDX-License-Identifier: BSD-2-Clause
 * Numbers of the BSD system calls. This is the one list: the kernel's table, libtine and the tests include it. The
 * numbers lie above everything that Linux uses; arguments and errors are passed as Linux passes its own. */
#ifndef _TINE_SYSCALL_H_
#define _TINE_SYSCALL_H_

#define TINE_SYS_first 0x1000

#define TINE_SYS_rfork 0x1000
#define TINE_SYS_tfork 0x1001
#define TINE_SYS_threxit 0x1002
#define TINE_SYS_getthrid 0x1003
#define TINE_SYS_minherit 0x1004
#define TINE_SYS_issetugid 0x1005
#define TINE_SYS_getlogin 0x1006
#define TINE_SYS_setlogin 0x1007
#define TINE_SYS_closefrom 0x1008
#define TINE_SYS_sysctl 0x1009
#define TINE_SYS_sysctlbyname 0x100a
#define TINE_SYS_pdfork 0x100b
#define TINE_SYS_pdkill 0x100c
#define TINE_SYS_pdgetpid 0x100d
#define TINE_SYS_pdwait4 0x100e
#define TINE_SYS_procctl 0x100f

#define TINE_SYS_kqueue 0x1010
#define TINE_SYS_kevent 0x1011
#define TINE_SYS_ktrace 0x1012
#define TINE_SYS_utrace 0x1013
#define TINE_SYS_acct 0x1014
#define TINE_SYS_profil 0x1015
#define TINE_SYS_ptrace 0x1016
#define TINE_SYS_pledge 0x1017
#define TINE_SYS_unveil 0x1018
#define TINE_SYS_pinsyscalls 0x1019
#define TINE_SYS_pdwait 0x101a

/* Only in kernels that are built with TINE_DEBUG: runs a check inside the kernel by its name. */
#define TINE_SYS_self_test 0x10ff

#define TINE_SYS_last 0x10ff

#endif
