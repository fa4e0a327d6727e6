#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Initrds and command lines that are not as they should be: the machine says why and ends, within seconds.
source "$(dirname "$0")/framework.bash"

# member NAME MODE [DATA [LINKS]]: a member of a newc archive on standard output, also of a kind that only root could make. MODE is octal.
member() {
  local LC_ALL=C data=${3-}
  printf '070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x' 1 "$((8#$2))" 0 0 "${4:-1}" 0 "${#data}" 0 0 1 5 "$((${#1} + 1))" 0
  printf '%s\0' "$1"
  head -c $(((4 - (110 + ${#1} + 1) % 4) % 4)) /dev/zero
  printf '%s' "$data"
  head -c $(((4 - ${#data} % 4) % 4)) /dev/zero
}

# boots OPTION...: boots the debug kernel with ./archive, on the emulator. Sets STATUS and SAID.
boots() {
  member TRAILER!!! 0 >>archive
  tine run --debug-kernel --accel tcg --smp 1 --mem 1G --timeout 100 --initrd archive "$@"
}

# refuses_init PATTERN OPTION...: the kernel cannot run the program, says so in a line that matches and powers off.
refuses_init() {
  local pattern=$1
  shift
  boots "$@"
  [[ $STATUS == 1 && $SAID =~ tine:\ [^$'\n']*${pattern}[^$'\n']*powering\ off ]] || fail "status $STATUS: $SAID"
}

test_init_that_is_no_program() {
  local kind
  for kind in 010755 040755 020755 060755 0140755 0100644 0100755; do
    member init "$kind" >archive
    refuses_init '/init'
  done
  member init 0120777 nowhere >archive   # a link that leads nowhere, and one to itself
  refuses_init '/init'
  member init 0120777 init >archive
  refuses_init '/init'
}

test_interpreter_that_is_no_program() {
  { member fifo 010755; member init 0100755 $'#!/fifo\n'; member second 0100755 $'#!/missing\n'; } >archive
  refuses_init 'cannot execute /init'
  refuses_init 'its interpreter is missing' --append init=/second
  refuses_init 'the initrd has no /third' --append init=/third
}

# 2,000 folders of which the archive holds only the file in the last: the kernel makes them all. 40 times: one took 6 s.
test_deep_paths_are_made_in_time() {
  local number deep
  deep=$(printf 'd/%.0s' {1..2000})
  for number in {1..40}; do member "$number/${deep}file" 0100644; done >archive
  refuses_init 'the initrd has no /init'
}

test_members_that_make_no_sense() {
  local name kind
  for name in .. ../../x a/../../b / // . ./ a//b a/ fifo/x "$(printf '%300s' x)" $'\n' ''; do
    for kind in 0100644 0120777; do
      { member fifo 010644; member "$name" $kind 'x' 4294967295; } >archive
      boots
      [[ $STATUS == 1 && $SAID == *'powering off'* && $SAID != *panic* ]] || fail "'$name' $kind: status $STATUS: $SAID"
    done
  done
}

test_longest_command_line() {
  : >archive
  refuses 'only 4095 reach the kernel' run --append "$(printf '%16384s' x)"
  refuses 'only 4095 reach the kernel' run --append "$(printf '%30000s' x)"
  # As long as may be: its last word reaches the kernel. "console=ttyS0 panic=-1 quiet " comes before.
  local rest
  rest=$(printf '%4055s' init=/last)
  refuses_init 'the initrd has no /last' --append "$rest"
}

test_words_for_init_that_are_too_many() {
  : >archive
  boots --append "$(printf 'w%s ' {1..70})"
  [[ $SAID == *'more than 64 words for init; "w65"'* ]] || fail "$SAID"
}

run_tests "$@"
