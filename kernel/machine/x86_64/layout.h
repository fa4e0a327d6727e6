// SPDX-License-Identifier: BSD-2-Clause
// Numbers that assembly and C++ share: segment selectors, offsets in CpuLocal and TrapFrame, model-specific
// registers. traps.cpp asserts that the offsets are right.
#pragma once

// The top 2 GiB of the address space, where the kernel is linked to lie; also in kernel.ld. PHYSICAL is for the assembler, which
// knows the linked addresses; the running kernel may lie higher (image_address in address_layout.h).
#define KERNEL_BASE 0xffffffff80000000
#ifdef __ASSEMBLER__
#define PHYSICAL(symbol) ((symbol) - KERNEL_BASE)
#endif
#define IMAGE_PAGES 32  // of 2 MiB: most that the kernel takes with what lies before it; also in kernel.ld

// The GDT. SYSRET wants user data right before user code; the values are those that Linux shows its programs.
#define KERNEL_CODE 0x10
#define KERNEL_DATA 0x18
#define SYSRET_BASE 0x23
#define USER_DATA 0x2b
#define USER_CODE 0x33
#define TASK_STATE 0x40

#define CPU_KERNEL_STACK_TOP 8
#define CPU_USER_STACK 16
#define CPU_USER_WORK 32
#define CPU_INTERRUPT_STACK_TOP 40

#define FRAME_ORIG_RAX 120
#define FRAME_VECTOR 128
#define FRAME_RIP 144
#define FRAME_CS 152
#define FRAME_RFLAGS 160
#define FRAME_SIZE 184

#define FIRST_INTERRUPT 32
#define SYSTEM_CALL_VECTOR 256
#define LINUX_ENOSYS 38
#define USER_ADDRESS_BITS 47

#define RFLAGS_TRAP (1 << 8)
#define RFLAGS_RESUME (1 << 16)

#define MSR_EFER 0xc0000080
#define EFER_SYSCALL (1 << 0)
#define EFER_LONG_MODE (1 << 8)
#define EFER_NO_EXECUTE (1 << 11)
#define MSR_GS_BASE 0xc0000101

#define CR0_PROTECTED (1 << 0)
#define CR0_WRITE_PROTECT (1 << 16)
#define CR0_PAGING (1 << 31)
#define CR4_PAE (1 << 5)

// The AP trampoline's page ends with the words that smp.cpp fills in for each CPU.
#define TRAMPOLINE_GDT_POINTER 0xf80
#define TRAMPOLINE_FAR_POINTER 0xf90
#define TRAMPOLINE_TOP_TABLE 0xfa0
#define TRAMPOLINE_STACK 0xfa8
#define TRAMPOLINE_CPU 0xfb0
#define TRAMPOLINE_ENTRY 0xfb8
