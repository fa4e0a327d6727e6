// SPDX-License-Identifier: BSD-2-Clause
// Making an armed call: in assembly, so that nothing else happens in between.
#include "fail_nth.h"

extern "C" void make_armed_call(Armed* armed);
asm(R"(
.text
.globl make_armed_call
make_armed_call:
  push %rbx
  push %r12
  push %r13
  mov %rdi, %rbx
  mov $1, %eax
  mov 0(%rbx), %rdi
  mov 8(%rbx), %rsi
  mov 16(%rbx), %rdx
  syscall
  mov 24(%rbx), %rax
  mov 32(%rbx), %rdi
  mov 40(%rbx), %rsi
  mov 48(%rbx), %rdx
  mov 56(%rbx), %r10
  mov 64(%rbx), %r8
  mov 72(%rbx), %r9
  syscall
  mov %rax, %r12
  test %rax, %rax
  jnz 1f
  cmpq $0, 88(%rbx)
  je 1f
  mov $60, %eax
  xor %edi, %edi
  syscall
1:
  mov $17, %eax
  mov 0(%rbx), %rdi
  mov 80(%rbx), %rsi
  mov $16, %edx
  xor %r10d, %r10d
  syscall
  mov %rax, %r13
  mov $1, %eax
  mov 0(%rbx), %rdi
  lea zero_text(%rip), %rsi
  mov $1, %edx
  syscall
  mov %r12, 96(%rbx)
  mov %r13, 104(%rbx)
  pop %r13
  pop %r12
  pop %rbx
  ret
.section .rodata
zero_text: .ascii "0"
.text
)");
