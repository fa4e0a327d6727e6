// SPDX-License-Identifier: BSD-2-Clause
// The instructions of user_access.h, and two for registers that may not be there. Each may fault; the page-fault handler lets it go on when the fault is
// resolved, or ends the routine through the exception table. The C++ side has checked that the range is a
// user range. Every iteration of a string instruction counts as one instruction under QEMU's -icount, hence
// words first.

#include "machine/x86_64/assembly.h"

// bool user_copy(void* to, const void* from, size_t size)
FUNCTION user_copy
  movq %rdx, %rcx
  shrq $3, %rcx
  andl $7, %edx
  OPEN_USER
1:
  rep movsq
  movl %edx, %ecx
2:
  rep movsb
  CLOSE_USER
  movl $1, %eax
  ret
  EXCEPTION_TABLE 1b, user_access_failed
  EXCEPTION_TABLE 2b, user_access_failed
END_FUNCTION user_copy

FUNCTION user_access_failed
  CLOSE_USER
  xorl %eax, %eax
  ret
END_FUNCTION user_access_failed

// bool user_clear(void* to, size_t size)
FUNCTION user_clear
  movq %rsi, %rcx
  shrq $3, %rcx
  andl $7, %esi
  xorl %eax, %eax
  OPEN_USER
1:
  rep stosq
  movl %esi, %ecx
2:
  rep stosb
  CLOSE_USER
  movl $1, %eax
  ret
  EXCEPTION_TABLE 1b, user_access_failed
  EXCEPTION_TABLE 2b, user_access_failed
END_FUNCTION user_clear

// long user_copy_string(char* to, const char* from, size_t size): the length, -1 for a fault, -2 when no 0 is
// in reach. Aligned words, so that no read crosses into a page that the string does not reach. (w - 0x01..) &
// ~w & 0x80.. is not 0 when w has a zero byte.
FUNCTION user_copy_string
  movq %rsi, %r8
  movabsq $0x0101010101010101, %r9
  movabsq $0x8080808080808080, %r10
  OPEN_USER
1:
  testq %rdx, %rdx
  jz 7f
  testb $7, %sil
  jnz 5f
2:
  cmpq $8, %rdx
  jb 5f
3:
  movq (%rsi), %rax
  movq %rax, %rcx
  subq %r9, %rcx
  notq %rax
  andq %r10, %rcx
  testq %rax, %rcx
  jnz 5f
  notq %rax
  movq %rax, (%rdi)
  addq $8, %rsi
  addq $8, %rdi
  subq $8, %rdx
  jnz 2b
  jmp 7f
5:
  movb (%rsi), %al
  movb %al, (%rdi)
  testb %al, %al
  jz 6f
  incq %rsi
  incq %rdi
  decq %rdx
  jmp 1b
6:
  CLOSE_USER
  movq %rsi, %rax
  subq %r8, %rax
  ret
7:
  CLOSE_USER
  movq $-2, %rax
  ret
8:
  CLOSE_USER
  movq $-1, %rax
  ret
  EXCEPTION_TABLE 3b, 8b
  EXCEPTION_TABLE 5b, 8b
END_FUNCTION user_copy_string

// bool user_load_word(uint32_t* value, const uint32_t* from)
FUNCTION user_load_word
  OPEN_USER
1:
  movl (%rsi), %ecx
  CLOSE_USER
  movl %ecx, (%rdi)
  movl $1, %eax
  ret
  EXCEPTION_TABLE 1b, user_access_failed
END_FUNCTION user_load_word

// bool user_compare_exchange(uint32_t* address, uint32_t expected, uint32_t desired, uint32_t* seen)
FUNCTION user_compare_exchange
  movl %esi, %eax
  OPEN_USER
1:
  lock cmpxchgl %edx, (%rdi)
  CLOSE_USER
  movl %eax, (%rcx)
  movl $1, %eax
  ret
  EXCEPTION_TABLE 1b, user_access_failed
END_FUNCTION user_compare_exchange

// bool user_xsave(void* to, uint64_t components), and the same for XRSTOR, FXSAVE and FXRSTOR. A malformed
// image makes the restoring ones fault too.
.macro USER_STATE name, instruction
FUNCTION \name
  movl %esi, %eax
  movq %rsi, %rdx
  shrq $32, %rdx
  OPEN_USER
1:
  \instruction (%rdi)
  CLOSE_USER
  movl $1, %eax
  ret
  EXCEPTION_TABLE 1b, user_access_failed
END_FUNCTION \name
.endm

  USER_STATE user_xsave, xsave64
  USER_STATE user_xrstor, xrstor64
  USER_STATE user_fxsave, fxsave64
  USER_STATE user_fxrstor, fxrstor64

// bool read_msr_or_fault(uint32_t msr, uint64_t* value), bool write_msr_or_fault(uint32_t msr, uint64_t value)
FUNCTION read_msr_or_fault
  movl %edi, %ecx
1:
  rdmsr
  shlq $32, %rdx
  orq %rdx, %rax
  movq %rax, (%rsi)
  movl $1, %eax
  ret
2:
  xorl %eax, %eax
  ret
  EXCEPTION_TABLE 1b, 2b
END_FUNCTION read_msr_or_fault

FUNCTION write_msr_or_fault
  movl %edi, %ecx
  movl %esi, %eax
  movq %rsi, %rdx
  shrq $32, %rdx
1:
  wrmsr
  movl $1, %eax
  ret
2:
  xorl %eax, %eax
  ret
  EXCEPTION_TABLE 1b, 2b
END_FUNCTION write_msr_or_fault

// bool read_kernel_word(uint64_t* value, uintptr_t address): for backtraces, which follow pointers that may
// be wrong.
FUNCTION read_kernel_word
1:
  movq (%rsi), %rcx
  movq %rcx, (%rdi)
  movl $1, %eax
  ret
2:
  xorl %eax, %eax
  ret
  EXCEPTION_TABLE 1b, 2b
END_FUNCTION read_kernel_word
