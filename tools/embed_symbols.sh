#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Fills the .symbols section of a linked kernel with the names of its functions, for backtraces: lines
# "aaaaaaaa name\n" by ascending address (low 32 bits). The linker script keeps room; the size must not change.
# Usage: embed_symbols.sh KERNEL
set -euo pipefail

kernel=$1
llvm=${LLVM_BIN:-$(dirname "$(readlink -f "$(command -v clang++-19)")")}
text=$(mktemp)
trap 'rm -f "$text"' EXIT

"$llvm/llvm-nm" --numeric-sort --defined-only "$kernel" |
  awk '$2 ~ /^[tTwW]$/ && $1 ~ /^ffffffff/ { print substr($1, 9), $3 }' |
  "$llvm/llvm-cxxfilt" --no-params > "$text"

room=$("$llvm/llvm-readelf" --section-headers --wide "$kernel" |
  sed -n 's/.* \.symbols *PROGBITS *[0-9a-f]* *[0-9a-f]* *\([0-9a-f]*\) .*/\1/p')
room=$((16#$room))
if (($(stat -c %s "$text") >= room)); then
  echo "embed_symbols.sh: the names do not fit into .symbols; raise SYMBOLS_SIZE in kernel.ld" >&2
  exit 1
fi
truncate -s "$room" "$text"
"$llvm/llvm-objcopy" --update-section .symbols="$text" "$kernel"
