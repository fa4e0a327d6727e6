// SPDX-License-Identifier: BSD-2-Clause
// The doors of the kernel: system calls, interrupts and exceptions in; the way back to user mode; context
// switches. Every entry builds a TrapFrame. Rule: in the kernel GS is the kernel's, and SWAPGS runs exactly
// when the privilege level changes. Exceptions that can hit between the two (NMI, debug, machine check,
// double fault) come in through paranoid_entry, which looks at the GS base itself; that is sound because
// programs cannot set a kernel address as their GS base (FSGSBASE stays off). Source: Intel SDM vol. 2
// (SYSCALL, SYSRET, SWAPGS), vol. 3 chapter 6.

#include "machine/x86_64/assembly.h"

.macro PUSH_REGISTERS rax=%rax
  pushq %rdi
  pushq %rsi
  pushq %rdx
  pushq %rcx
  pushq \rax
  pushq %r8
  pushq %r9
  pushq %r10
  pushq %r11
  pushq %rbx
  pushq %rbp
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
.endm

.macro POP_REGISTERS
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbp
  popq %rbx
  popq %r11
  popq %r10
  popq %r9
  popq %r8
  popq %rax
  popq %rcx
  popq %rdx
  popq %rsi
  popq %rdi
.endm

// Calls a function of the frame, which lies at rsp; a frame is 8 bytes off the 16 that the calling convention
// wants.
.macro CALL_WITH_FRAME function
  movq %rsp, %rdi
  pushq %rdi
  call \function
  popq %rdi
.endm

// SYSCALL comes here: rip is in rcx, rflags in r11, interrupts are off, rsp and GS are still the program's.
FUNCTION system_call_entry
  swapgs
  movq %rsp, %gs:CPU_USER_STACK
  movq %gs:CPU_KERNEL_STACK_TOP, %rsp
  pushq $USER_DATA
  pushq %gs:CPU_USER_STACK
  pushq %r11
  pushq $USER_CODE
  pushq %rcx
  pushq $0
  pushq $SYSTEM_CALL_VECTOR
  pushq %rax
  PUSH_REGISTERS $-LINUX_ENOSYS
  sti
  CALL_WITH_FRAME _ZN4tine7machine7upcalls11system_callERNS0_9TrapFrameE
  cli
  movq %gs:CPU_USER_WORK, %rax
  cmpl $0, (%rax)
  jne work_before_user
END_FUNCTION system_call_entry  // and on into leave_by_sysret

// SYSRET takes rip from rcx and rflags from r11, so it serves only when the frame agrees; and with a
// non-canonical rcx it would fault in the kernel on the program's stack. With TF it traps before the program's next
// instruction, to which the program would then come back in the same way; and it takes RF away.
.global leave_by_sysret
leave_by_sysret:
  movq FRAME_RIP(%rsp), %rax
  shrq $USER_ADDRESS_BITS, %rax
  jnz leave_by_iret
  POP_REGISTERS
  cmpq %rcx, FRAME_RIP - FRAME_ORIG_RAX(%rsp)
  jne leave_by_iret_with_registers
  cmpq %r11, FRAME_RFLAGS - FRAME_ORIG_RAX(%rsp)
  jne leave_by_iret_with_registers
  testl $(RFLAGS_TRAP | RFLAGS_RESUME), %r11d
  jnz leave_by_iret_with_registers
  movq FRAME_SIZE - FRAME_ORIG_RAX - 16(%rsp), %rsp
  swapgs
  sysretq

// The frame goes to user mode: rsp points to it, interrupts are off.
leave_to_user:
  movq %gs:CPU_USER_WORK, %rax
  cmpl $0, (%rax)
  je leave_by_iret
work_before_user:
  CALL_WITH_FRAME _ZN4tine7machine7upcalls14return_to_userERNS0_9TrapFrameE
leave_by_iret:
  movq FRAME_RIP(%rsp), %rax
  shrq $USER_ADDRESS_BITS, %rax
  jnz refuse_return
  POP_REGISTERS
leave_by_iret_with_registers:
  addq $FRAME_RIP - FRAME_ORIG_RAX, %rsp
  swapgs
  iretq
// IRET to a non-canonical address would fault in the kernel, with the program's GS base (SDM vol. 2, IRET). The program
// gets that fault as its own instead, and leaves as its signal says.
refuse_return:
  CALL_WITH_FRAME refuse_return_address
  cli
  jmp leave_to_user

// [[noreturn]] void leave_with_frame(TrapFrame* frame): the first return of a new thread.
FUNCTION leave_with_frame
  cli
  movq %rdi, %rsp
  jmp leave_to_user
END_FUNCTION leave_with_frame

// One stub for each vector: pushes a zero where the CPU pushes no error code, then the vector. Source: SDM vol. 3, table 6-1;
// APM vol. 2, table 8-1 (29 and 30).
.section .text.entry_stubs, "ax", @progbits
.macro STUB vector
  .p2align 4
  .if !(\vector == 8 || (\vector >= 10 && \vector <= 14) || \vector == 17 || \vector == 21 || \vector == 29 || \vector == 30)
  pushq $0
  .endif
  pushq $\vector
  .if \vector == 1 || \vector == 2 || \vector == 8 || \vector == 18
  jmp paranoid_entry
  .else
  jmp common_entry
  .endif
.endm

  .p2align 4
.global entry_stubs
entry_stubs:
  .set vector_number, 0
  .rept 256
  STUB vector_number
  .set vector_number, vector_number + 1
  .endr

FUNCTION common_entry
  pushq $-1
  PUSH_REGISTERS
  cld
  CLOSE_USER
  testb $3, FRAME_CS(%rsp)
  jz 1f
  swapgs
trap_from_user:
  CALL_WITH_FRAME handle_trap
  cli
  jmp leave_to_user
1:
  cmpq $FIRST_INTERRUPT, FRAME_VECTOR(%rsp)
  jae 3f
  CALL_WITH_FRAME handle_trap
2:
  POP_REGISTERS
  addq $FRAME_RIP - FRAME_ORIG_RAX, %rsp
  iretq
3:
  // An interrupt in the kernel may hit at any depth of the thread's stack: only the frame goes there.
  movq %rsp, %rbx
  movq %rsp, %rdi
  movq %gs:CPU_INTERRUPT_STACK_TOP, %rsp
  call handle_interrupt
  movq %rbx, %rsp
  CALL_WITH_FRAME _ZN4tine7machine7upcalls15interrupt_endedERNS0_9TrapFrameE
  jmp 2b
END_FUNCTION common_entry

// Runs on an IST stack. A debug exception of a program goes on on the thread's own stack, where it may sleep.
FUNCTION paranoid_entry
  pushq $-1
  PUSH_REGISTERS
  cld
  CLOSE_USER
  xorl %ebx, %ebx  // 1: swap GS back
  testb $3, FRAME_CS(%rsp)
  jnz 3f
  movl $MSR_GS_BASE, %ecx
  rdmsr
  testl %edx, %edx
  js 2f
1:
  swapgs
  incl %ebx
2:
  CALL_WITH_FRAME handle_trap
  testl %ebx, %ebx
  jz 4f
  swapgs
4:
  POP_REGISTERS
  addq $FRAME_RIP - FRAME_ORIG_RAX, %rsp
  iretq
3:
  cmpq $1, FRAME_VECTOR(%rsp)
  jne 1b
  swapgs
  movq %rsp, %rsi
  movq %gs:CPU_KERNEL_STACK_TOP, %rdi
  subq $FRAME_SIZE, %rdi
  movq %rdi, %rax
  movl $FRAME_SIZE / 8, %ecx
  rep movsq
  movq %rax, %rsp
  jmp trap_from_user
END_FUNCTION paranoid_entry

// SYSCALL from compatibility mode, which no program can reach: nothing happens.
FUNCTION compatibility_system_call_entry
  sysretl
END_FUNCTION compatibility_system_call_entry

// void switch_context(Context& from, const Context& to)
FUNCTION switch_context
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq (%rsi), %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
END_FUNCTION switch_context

// STI holds interrupts off until the next instruction has begun (SDM vol. 2, STI), so that none can come before HLT and be slept
// over. QEMU's emulated AMD-V forgets this when the machine was left between the two: handle_interrupt passes by a HLT
// that was not yet begun.
FUNCTION halt_until_interrupt
  sti
.global halt_after_sti
halt_after_sti:
  hlt
  ret
END_FUNCTION halt_until_interrupt

// Where a context made by prepare_context begins: r12 is the function, r13 its argument.
FUNCTION context_start
  movq %r13, %rdi
  call *%r12
  ud2
END_FUNCTION context_start
