// SPDX-License-Identifier: BSD-2-Clause
// The first instructions of the boot CPU: from the 32-bit state in which PVH leaves it to start_machine() in
// long mode on the boot page tables, at the address that address_layout.cpp chose for the kernel. The tables map the
// first 4 GiB at 0, where we run first, and at the physical map, and the kernel at KERNEL_BASE and at its address.
// kernel_map.cpp replaces them with tables that obey W^X; secondary CPUs pass through them once more. Source: the PVH boot
// ABI (Xen, docs/misc/pvh.pandoc).

#include "machine/x86_64/assembly.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18

// Offsets in hvm_start_info and hvm_modlist_entry.
#define INFO_MODULE_COUNT 12
#define INFO_MODULES 16
#define MODULE_ADDRESS 0
#define MODULE_SIZE 8

// What the kernel and the x86-64 ABI's baseline of programs need. CPUID leaf 1, EDX, and leaf 80000001H, EDX. Source: Intel
// SDM vol. 2, CPUID; System V ABI, AMD64 supplement, table 3.1.
#define CPUID_FPU (1 << 0)
#define CPUID_TSC (1 << 4)
#define CPUID_MSR (1 << 5)
#define CPUID_PAE (1 << 6)
#define CPUID_CX8 (1 << 8)
#define CPUID_APIC (1 << 9)
#define CPUID_CMOV (1 << 15)
#define CPUID_MMX (1 << 23)
#define CPUID_FXSR (1 << 24)
#define CPUID_SSE (1 << 25)
#define CPUID_SSE2 (1 << 26)
#define NEEDED_BASIC                                                                                          \
  (CPUID_FPU | CPUID_TSC | CPUID_MSR | CPUID_PAE | CPUID_CX8 | CPUID_APIC | CPUID_CMOV | CPUID_MMX | CPUID_FXSR | \
   CPUID_SSE | CPUID_SSE2)
#define CPUID_SYSCALL (1 << 11)
#define CPUID_NO_EXECUTE (1 << 20)
#define CPUID_LONG_MODE (1 << 29)
#define NEEDED_EXTENDED (CPUID_NO_EXECUTE | CPUID_LONG_MODE)

.section .note.pvh, "a", @note
  .p2align 2
  .long 4, 8, XEN_ELFNOTE_PHYS32_ENTRY
  .asciz "Xen"
  .quad PHYSICAL(pvh_entry)

.section .text.boot, "ax", @progbits
.code32
.global pvh_entry
.type pvh_entry, @function
pvh_entry:
  cli
  cld
  movl $PHYSICAL(boot_stack_end), %esp
  movl %ebx, %edi  // hvm_start_info; CPUID uses ebx

  movl $1, %eax
  cpuid
  movl %edx, %ebp
  notl %ebp
  andl $NEEDED_BASIC, %ebp  // what is missing
  movl $0x80000000, %eax
  cpuid
  xorl %edx, %edx
  subl $0x80000001, %eax  // no less, and an answer at all: a CPU without extended leaves gives anything
  cmpl $0xfffe, %eax
  ja 1f
  movl $0x80000001, %eax
  cpuid
1:
  movl %edx, %ebx
  notl %ebx
  andl $NEEDED_EXTENDED, %ebx
  movl %ebp, %eax
  orl %ebx, %eax
  jnz unfit_cpu

  // Where memory is short, QEMU puts the initrd over the kernel, or the kernel's end lies behind that of memory.
  movl $PHYSICAL(initrd_over_kernel_message), %esi
  cmpl $0, INFO_MODULE_COUNT(%edi)
  je 2f
  movl INFO_MODULES(%edi), %edx
  cmpl $0, MODULE_ADDRESS + 4(%edx)
  jne 2f
  movl MODULE_ADDRESS(%edx), %eax
  cmpl $PHYSICAL(kernel_end), %eax
  jae 2f
  addl MODULE_SIZE(%edx), %eax
  cmpl $PHYSICAL(kernel_start), %eax
  ja unfit_machine
2:
  movl $PHYSICAL(short_memory_message), %esi
  movl $0x336ec578, PHYSICAL(kernel_end) - 4  // .bss
  cmpl $0x336ec578, PHYSICAL(kernel_end) - 4
  jne unfit_machine
  movl $0, PHYSICAL(kernel_end) - 4

  movl %cr4, %eax
  orl $CR4_PAE, %eax
  movl %eax, %cr4
  movl $PHYSICAL(boot_top_table), %eax
  movl %eax, %cr3
  movl $MSR_EFER, %ecx
  rdmsr
  orl $(EFER_LONG_MODE | EFER_NO_EXECUTE | EFER_SYSCALL), %eax
  wrmsr
  movl %cr0, %eax
  orl $(CR0_PAGING | CR0_WRITE_PROTECT | CR0_PROTECTED), %eax
  movl %eax, %cr0
  lgdtl PHYSICAL(boot_gdt_pointer)
  ljmpl $KERNEL_CODE, $PHYSICAL(long_mode)

// Says the message at esi and the names of the features in ebp and ebx on COM1, and ends the machine: by QEMU's debug-exit
// port with the status of a panic, else by a triple fault. 32-bit and 64-bit mode both come here, so there are only
// instructions whose encoding means the same in both: no push, inc or dec, memory by (%esi) alone. Messages lie in the
// first page of the kernel, which is what is left of it when memory is short; the stack lies where any machine has memory.
unfit_cpu:
  movl $PHYSICAL(unfit_cpu_message), %esi
unfit_machine:
  movl $0x7c00, %esp
  orl $1, %ecx
  call say_if_ecx
  movl $PHYSICAL(feature_names), %esi
1:
  lodsl
  movl %eax, %ecx
  lodsl
  movl %eax, %edi
  orl %ecx, %edi
  jz 2f
  andl %ebp, %ecx
  andl %ebx, %eax
  orl %eax, %ecx
  call say_if_ecx
  jmp 1b
2:
  orl $1, %ecx
  call say_if_ecx
  movb $255, %al
  outb %al, $0xf4
  movl $PHYSICAL(no_interrupt_table), %esi
  lidt (%esi)
  ud2

// Passes over the string at esi; says it if ecx is not 0. A port that is never ready is not waited for.
say_if_ecx:
  lodsb
  testb %al, %al
  jz 4f
  testl %ecx, %ecx
  jz say_if_ecx
  movb %al, %ah
  movl $100000, %edi
  movw $0x3fd, %dx
1:
  inb %dx, %al
  testb $0x20, %al
  jnz 2f
  subl $1, %edi
  jnz 1b
2:
  movb %ah, %al
  movw $0x3f8, %dx
  outb %al, %dx
  jmp say_if_ecx
4:
  ret

unfit_cpu_message:
  .asciz "Tine cannot run on this CPU, which lacks:"
initrd_over_kernel_message:
  .asciz "Tine needs more memory: the initrd lies over the kernel."
short_memory_message:
  .asciz "Tine needs more memory: it ends before the kernel does."
feature_names:  // ends with two zeros, and then the end of the line
.macro feature basic, extended, name
  .long \basic, \extended
  .asciz "\name"
.endm
  feature CPUID_FPU, 0, " [fpu]"
  feature CPUID_TSC, 0, " [time-stamp counter (tsc)]"
  feature CPUID_MSR, 0, " [model-specific registers (msr)]"
  feature CPUID_PAE, 0, " [pae]"
  feature CPUID_CX8, 0, " [cmpxchg8b (cx8)]"
  feature CPUID_APIC, 0, " [local APIC (apic)]"
  feature CPUID_CMOV, 0, " [cmov]"
  feature CPUID_MMX, 0, " [mmx]"
  feature CPUID_FXSR, 0, " [fxsave (fxsr)]"
  feature CPUID_SSE, 0, " [sse]"
  feature CPUID_SSE2, 0, " [sse2]"
  feature 0, CPUID_LONG_MODE, " [64-bit mode (lm)]"
  feature 0, CPUID_NO_EXECUTE, " [no-execute pages (nx)]"
  feature 0, CPUID_SYSCALL, " [syscall]"
  .long 0, 0
  .asciz "\r\n"
no_interrupt_table:
  .fill 10, 1, 0

.code64
long_mode:
  // An Intel CPU tells of SYSCALL in no mode but this (SDM vol. 2, CPUID, leaf 80000001H).
  movl $0x80000001, %eax
  cpuid
  xorl %ebp, %ebp
  movl %edx, %ebx
  notl %ebx
  andl $CPUID_SYSCALL, %ebx
  jnz unfit_cpu

  movabsq $1f, %rax
  jmpq *%rax
1:
  movl $KERNEL_DATA, %eax
  movl %eax, %ss
  xorl %eax, %eax
  movl %eax, %ds
  movl %eax, %es
  movl %eax, %fs
  movl %eax, %gs
  leaq boot_stack_end(%rip), %rsp
  movl %edi, %r12d
  xorl %ebp, %ebp  // the end of every backtrace
  call choose_address_layout
  testl %eax, %eax
  jz 4f

  // Adds the offset to each word that holds an address of the kernel. The table is a count and the words' own offsets from
  // KERNEL_BASE, made by tools/embed_relocations.sh. The low half of a 64-bit address never overflows into the high one.
  leaq relocations_start(%rip), %rsi
  movq $KERNEL_BASE, %rdx
  movl (%rsi), %ecx
  jrcxz 3f
2:
  movl (%rsi, %rcx, 4), %ebx
  addl %eax, (%rdx, %rbx)
  loop 2b
3:
  // Code has been written that is fetched through another address: the write to CR3 serializes (SDM vol. 3, 9.1.3 and 9.3).
  movq %cr3, %rcx
  movq %rcx, %cr3
  leaq 4f(%rip), %rcx
  addq %rax, %rcx
  addq %rax, %rsp
  jmpq *%rcx
4:
  movl %r12d, %edi
  call start_machine
  ud2
.size pvh_entry, . - pvh_entry

.section .data.boot, "aw", @progbits
  .p2align 4
.global boot_gdt
boot_gdt:
  .quad 0, 0
  .quad 0x00af9a000000ffff  // KERNEL_CODE
  .quad 0x00cf92000000ffff  // KERNEL_DATA
boot_gdt_pointer:
  .word . - boot_gdt - 1
  .quad PHYSICAL(boot_gdt)

#define TABLE (0x001 | 0x002 | 0x020)        // present, writable, accessed
#define LARGE_PAGE (TABLE | 0x040 | 0x080)   // and dirty, 2 MiB

  .p2align 12
.global boot_top_table
boot_top_table:
  .quad PHYSICAL(boot_low_table) + TABLE
  .fill 510, 8, 0                          // one of them will lead to boot_physical_table
  .quad PHYSICAL(boot_high_table) + TABLE  // KERNEL_BASE
.global boot_physical_table
boot_physical_table:
  .fill 512, 8, 0
boot_low_table:
  .set gib, 0
  .rept 4
  .quad PHYSICAL(boot_pages) + gib * 4096 + TABLE
  .set gib, gib + 1
  .endr
  .fill 508, 8, 0
boot_high_table:
  .fill 510, 8, 0
  .quad PHYSICAL(boot_image_pages) + TABLE
  .quad PHYSICAL(boot_image_pages) + 4096 + TABLE
.global boot_image_pages
boot_image_pages:  // the 2 GiB from KERNEL_BASE on
  .set page, 0
  .rept IMAGE_PAGES
  .quad (page << 21) + LARGE_PAGE
  .set page, page + 1
  .endr
  .fill 1024 - IMAGE_PAGES, 8, 0
.global boot_pages
boot_pages:
  .set page, 0
  .rept 4 * 512
  .quad (page << 21) + LARGE_PAGE
  .set page, page + 1
  .endr

.section .bss.boot_stack, "aw", @nobits
  .p2align 12
.global boot_stack_guard
boot_stack_guard:  // not mapped, once the final tables are there
  .skip 4096
  .skip 16384
.global boot_stack_end
boot_stack_end:
