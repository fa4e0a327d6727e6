// SPDX-License-Identifier: BSD-2-Clause
// The first instructions of the boot CPU: from the 32-bit state in which PVH leaves it to start_machine() in
// long mode on the boot page tables, at the address that address_layout.cpp chose for the kernel. The tables map the
// first 4 GiB at 0, where we run first, and at the physical map, and the kernel at KERNEL_BASE and at its address.
// kernel_map.cpp replaces them with tables that obey W^X; secondary CPUs pass through them once more. Source: the PVH boot
// ABI (Xen, docs/misc/pvh.pandoc).

#include "machine/x86_64/assembly.h"

#define XEN_ELFNOTE_PHYS32_ENTRY 18

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

  movl $0x80000000, %eax
  cpuid
  cmpl $0x80000001, %eax
  jb unfit_cpu
  movl $0x80000001, %eax
  cpuid
  andl $(1 << 29 | 1 << 20), %edx  // long mode and NX
  cmpl $(1 << 29 | 1 << 20), %edx
  jne unfit_cpu

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

// Says on COM1 why the kernel does not run here.
unfit_cpu:
  movl $PHYSICAL(unfit_cpu_message), %esi
1:
  movw $0x3fd, %dx
2:
  inb %dx, %al
  testb $0x20, %al
  jz 2b
  lodsb
  testb %al, %al
  jz 3f
  movw $0x3f8, %dx
  outb %al, %dx
  jmp 1b
3:
  hlt
  jmp 3b

.code64
long_mode:
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

.section .rodata.boot, "a", @progbits
unfit_cpu_message:
  .asciz "Tine needs a CPU with long mode and no-execute pages.\r\n"

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
