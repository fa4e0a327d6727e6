/* SPDX-License-Identifier: BSD-2-Clause
 * What the BSDs declare in <unistd.h> beyond the C library. Source: rfork(2) of FreeBSD; issetugid(2), setlogin(2),
 * closefrom(2), profil(2). docs/sdk.md says what differs. */
#ifndef _TINE_UNISTD_H_
#define _TINE_UNISTD_H_

#include_next <unistd.h>

#include <sys/cdefs.h>
#include <sys/types.h>

#define RFNAMEG (1u << 0)      /* not implemented: EINVAL */
#define RFENVG (1u << 1)       /* not implemented: EINVAL */
#define RFFDG (1u << 2)        /* copy the descriptor table */
#define RFNOTEG (1u << 3)      /* not implemented: EINVAL */
#define RFPROC (1u << 4)       /* make a process; else change the caller */
#define RFMEM (1u << 5)        /* share memory */
#define RFNOWAIT (1u << 6)     /* init is the child's parent */
#define RFCFDG (1u << 12)      /* start without descriptors */
#define RFTHREAD (1u << 13)    /* a peer, that ends with its leader */
#define RFSIGSHARE (1u << 14)  /* share signal actions */
#define RFLINUXTHPN (1u << 16) /* SIGUSR1 at its end */
#define RFSTOPPED (1u << 17)   /* kernel only, ignored */
#define RFHIGHPID (1u << 18)   /* kernel only, ignored */
#define RFPPWAIT (1u << 31)    /* kernel only, ignored */
#define RFKERNELONLY (RFSTOPPED | RFHIGHPID | RFPPWAIT)

#define __syscall syscall /* with Linux's numbers, as <sys/syscall.h> has them */

#ifdef __cplusplus
extern "C" {
#endif

pid_t rfork(int flags);
/* The child calls function(argument) on `stack`, the highest address of its own, and ends with what it returns. */
int rfork_thread(int flags, void* stack, int (*function)(void*), void* argument);

/* From now on only what the words of `promises` cover; after exec, what those of `execpromises` do. NULL: as before. */
int pledge(const char* promises, const char* execpromises);
/* The first call hides all files but `path`, each other call shows one more, for some of "rwxc". NULL, NULL: no more. */
int unveil(const char* path, const char* permissions);
/* pins[n], an offset from `base`, is the only place where the call n is made; 0: nowhere, -1: anywhere in the text. */
int pinsyscalls(void* base, size_t size, const unsigned int* pins, int count);

int closefrom(int lowest);
int getthrid(void);
char* getlogin(void);
int getlogin_r(char* name, size_t size);
int issetugid(void);
int profil(char* counters, size_t size, unsigned long offset, unsigned int scale);
int setlogin(const char* name);

#ifdef __cplusplus
}
#endif
#endif
