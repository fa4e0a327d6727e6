// SPDX-License-Identifier: BSD-2-Clause
// Macros for the .S files.
#pragma once
// clang-format off

#include "machine/x86_64/layout.h"

.macro FUNCTION name
  .section .text.\name, "ax", @progbits
  .global \name
  .type \name, @function
  .p2align 4
\name:
.endm

.macro END_FUNCTION name
  .size \name, . - \name
.endm

// A fault at the instruction `at` goes on at `fixup`.
.macro EXCEPTION_TABLE at, fixup
  .pushsection .exception_table, "a", @progbits
  .quad \at, \fixup
  .popsection
.endm

// Room for STAC (open user memory) or CLAC (close it): three-byte no-operations until the boot finds that the
// CPU has SMAP and writes the real instruction, whose last byte is `opcode`, over them.
.macro SMAP_SITE opcode
800:
  .byte 0x0f, 0x1f, 0x00
  .pushsection .smap_sites, "a", @progbits
  .quad 800b, \opcode
  .popsection
.endm
.macro OPEN_USER
  SMAP_SITE 0xcb
.endm
.macro CLOSE_USER
  SMAP_SITE 0xca
.endm
