#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# make_names.sh FOLDER: from the C library's headers and the SDK's list, tables {NUMBER, "NAME"} of system calls
# (call_names.inc) and errors (error_names.inc) in FOLDER.
set -eu
musl=/usr/include/x86_64-linux-musl/bits
sdk=$(dirname "$0")/../sdk/include/tine/syscall.h
{
  sed -n 's/^#define __NR_\([a-z0-9_]*\)[[:space:]]*\([0-9]*\)$/{\2, "\1"},/p' "$musl/syscall.h"
  sed -n '/SYS_first/d; /SYS_last/d; s/^#define TINE_SYS_\([a-z0-9_]*\) \(0x[0-9a-f]*\)$/{\2, "\1"},/p' "$sdk"
} >"$1/call_names.inc"
sed -n 's/^#define \(E[A-Z0-9]*\)[[:space:]]*\([0-9]*\)$/{\2, "\1"},/p' "$musl/errno.h" >"$1/error_names.inc"
