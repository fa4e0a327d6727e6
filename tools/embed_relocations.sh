#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Fills the .relocations section of a kernel that was linked with --emit-relocs, so that the boot code can move it: a count,
# then for each word that holds an address of the kernel its offset from KERNEL_BASE, all of 32 bits. Words that hold
# physical addresses (PHYSICAL in the assembler: an addend of -KERNEL_BASE) stay. Then drops the linker's relocations.
# Usage: embed_relocations.sh KERNEL
set -euo pipefail

kernel=$1
llvm=${LLVM_BIN:-$(dirname "$(readlink -f "$(command -v clang++-19)")")}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$llvm/llvm-objcopy" --strip-debug "$kernel" "$scratch/kernel"
# Lines "OFFSET INFO TYPE VALUE NAME +|- ADDEND" in hexadecimal. A kernel's constant may also be 32 bits of a physical address.
"$llvm/llvm-readelf" --relocations --wide "$scratch/kernel" |
  awk '$3 ~ /^R_X86_64_(64|32S)$/ && $4 ~ /^ffffffff[89a-f]/ && length($NF) < 8 { print substr($1, 9) }' >"$scratch/places"

room=$("$llvm/llvm-readelf" --section-headers --wide "$kernel" |
  sed -n 's/.* \.relocations *PROGBITS *[0-9a-f]* *[0-9a-f]* *\([0-9a-f]*\) .*/\1/p')
room=$((16#$room))
count=$(wc -l <"$scratch/places")
if ((count == 0 || 4 * (count + 1) > room)); then
  echo "embed_relocations.sh: $count places do not fit into .relocations; see RELOCATIONS_SIZE in kernel.ld" >&2
  exit 1
fi
# Offsets are below KERNEL_BASE's span: the top bit of an address's low half goes.
{
  printf '%08x\n' "$count"
  awk '{ first = index("89abcdef", substr($1, 1, 1)) - 1; print first substr($1, 2) }' "$scratch/places"
} | sed 's/\(..\)\(..\)\(..\)\(..\)/\\x\4\\x\3\\x\2\\x\1/' | while IFS= read -r word; do printf "$word"; done >"$scratch/table"
truncate -s "$room" "$scratch/table"
"$llvm/llvm-objcopy" --update-section .relocations="$scratch/table" --remove-section '.rela.*' "$kernel"
