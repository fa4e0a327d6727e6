# SPDX-License-Identifier: BSD-2-Clause
# What every verb needs: where things are, and how to speak to the user. Messages go to standard error, because
# standard output belongs to the command that runs in the guest.

BUILD=${TINE_BUILD:-$TINE_ROOT/build}

say() { printf 'tine: %s\n' "$*" >&2; }

die() {
  say "$*"
  exit 1
}

usage_error() {
  say "$*"
  exit 2
}

# value_of OPTION "$@": the argument that follows an option, or a sentence that it is missing.
value_of() {
  (($# >= 3)) || usage_error "$1 needs a value"
  printf '%s' "$3"
}

# is_number TEXT
is_number() { [[ $1 =~ ^[0-9]+$ ]]; }
