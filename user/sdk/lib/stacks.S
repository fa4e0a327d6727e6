/* SPDX-License-Identifier: BSD-2-Clause
 * The calls whose child starts on a stack of its own. Function and argument travel in registers, which parent and child
 * have in common, so that nothing is written to the new stack before the child owns it. */
#include <tine/syscall.h>

        .text

/* int rfork_thread(int flags, void* stack, int (*function)(void*), void* argument) */
        .globl  rfork_thread
        .type   rfork_thread, @function
rfork_thread:
        mov     %rdx, %r8
        mov     %rcx, %r9
        mov     $TINE_SYS_rfork, %eax
        syscall
        test    %rax, %rax
        jnz     .Lreturn
        mov     %rsi, %rsp
        and     $-16, %rsp
        xor     %ebp, %ebp
        mov     %r9, %rdi
        call    *%r8
        mov     %eax, %edi
        mov     $231, %eax              /* exit_group */
        syscall
        hlt
        .size   rfork_thread, . - rfork_thread

/* pid_t __tfork_thread(const struct __tfork*, size_t size, void (*function)(void*), void* argument) */
        .globl  __tfork_thread
        .type   __tfork_thread, @function
__tfork_thread:
        mov     %rdx, %r8
        mov     %rcx, %r9
        mov     $TINE_SYS_tfork, %eax
        syscall
        test    %rax, %rax
        jnz     .Lreturn
        and     $-16, %rsp
        xor     %ebp, %ebp
        mov     %r9, %rdi
        call    *%r8
        xor     %edi, %edi
        mov     $TINE_SYS_threxit, %eax
        syscall
        hlt
        .size   __tfork_thread, . - __tfork_thread

/* The parent, or an error: as the C library's own calls report it. */
.Lreturn:
        mov     %rax, %rdi
        jmp     __tine_result

        .section .note.GNU-stack, "", @progbits
