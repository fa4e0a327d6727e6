/* SPDX-License-Identifier: BSD-2-Clause
 * Registers of a traced process: PT_GETREGS, PT_GETFPREGS and their kin. Layout: OpenBSD/amd64. */
#ifndef _TINE_MACHINE_REG_H_
#define _TINE_MACHINE_REG_H_

#include <stdint.h>

struct reg {
  int64_t r_rdi, r_rsi, r_rdx, r_rcx, r_r8, r_r9, r_r10, r_r11, r_r12, r_r13, r_r14, r_r15, r_rbp, r_rbx, r_rax, r_rsp,
      r_rip, r_rflags, r_cs, r_ss, r_ds, r_es, r_fs, r_gs;
};

/* As FXSAVE lays them out. */
struct fpreg {
  unsigned char fxstate[512] __attribute__((aligned(16)));
};

#endif
