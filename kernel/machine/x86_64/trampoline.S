// SPDX-License-Identifier: BSD-2-Clause
// How a secondary CPU comes up: this page is copied below 1 MiB, where a startup IPI makes the CPU run it in
// real mode with cs at the page. It goes straight to long mode on the boot page tables, then to `entry`(cpu)
// on `stack`. Reaches everything relative to its own start. The words at its end are smp.cpp's. Source: Intel
// SDM vol. 3, 9.4 and 10.8.5.

#include "machine/x86_64/assembly.h"

.section .rodata.trampoline, "a", @progbits
  .p2align 12
.global trampoline_start
trampoline_start:
.code16
  cli
  cld
  movw %cs, %ax
  movw %ax, %ds
  lgdtl TRAMPOLINE_GDT_POINTER
  movl %cr4, %eax
  orl $CR4_PAE, %eax
  movl %eax, %cr4
  movl TRAMPOLINE_TOP_TABLE, %eax
  movl %eax, %cr3
  movl $MSR_EFER, %ecx
  rdmsr
  orl $(EFER_LONG_MODE | EFER_NO_EXECUTE | EFER_SYSCALL), %eax
  wrmsr
  movl $(CR0_PAGING | CR0_WRITE_PROTECT | CR0_PROTECTED | 0x10), %eax
  movl %eax, %cr0
  ljmpl *TRAMPOLINE_FAR_POINTER
.code64
.global trampoline_long_mode
trampoline_long_mode:
  movl $KERNEL_DATA, %eax
  movl %eax, %ss
  xorl %eax, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %fs
  movl %eax, %gs
  movq trampoline_start + TRAMPOLINE_STACK(%rip), %rsp
  movl trampoline_start + TRAMPOLINE_CPU(%rip), %edi
  xorl %ebp, %ebp
  callq *trampoline_start + TRAMPOLINE_ENTRY(%rip)
  ud2
.global trampoline_end
trampoline_end:
