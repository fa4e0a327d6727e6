# SPDX-License-Identifier: BSD-2-Clause
# What every verb needs: where things are, and how to speak to the user. Messages go to standard error, because
# standard output belongs to the command that runs in the guest.

BUILD=${TINE_BUILD:-$TINE_ROOT/build}

# say WORD...: one line.
say() {
  local words=$*
  printf 'tine: %s\n' "${words//$'\n'/ }" >&2
}

die() {
  say "$*"
  exit 1
}

usage_error() {
  say "$*"
  exit 2
}

# value_of OPTION "$@": the argument that follows an option, or a sentence that it is missing or empty. Not in a list with &&, where a
# failure would not end the command.
value_of() {
  (($# >= 3)) && [[ -n $3 ]] || usage_error "$1 needs a value"
  printf '%s' "$3"
}

# number_between OPTION TEXT LEAST MOST: prints TEXT as a decimal number without leading zeros, which Bash would take for octal.
number_between() {
  if [[ $2 =~ ^0*([0-9]{1,10})$ ]] && ((10#${BASH_REMATCH[1]} >= $3 && 10#${BASH_REMATCH[1]} <= $4)); then
    printf '%s' "$((10#${BASH_REMATCH[1]}))"
  else
    usage_error "$1 is a whole number from $3 to $4, not '$2'"
  fi
}

# seconds_of OPTION TEXT: prints a number of seconds.
seconds_of() { number_between "$1" "$2" 1 1000000; }

# check_readable OPTION FILE, check_writable OPTION FILE: a sentence when it is no file that can be read, or written.
check_readable() { [[ -f $2 && -r $2 ]] || usage_error "$1: '$2' is not a file that can be read"; }
check_writable() {
  [[ ! -d $2 && -d $(dirname -- "$2") ]] && if [[ -e $2 ]]; then [[ -w $2 ]]; else [[ -w $(dirname -- "$2") ]]; fi ||
    usage_error "$1: '$2' is not a file that can be written"
}
