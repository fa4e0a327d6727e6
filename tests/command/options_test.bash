#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Values of options: what is wrong is told in one line with status 2, before anything is built or booted.
source "$(dirname "$0")/framework.bash"

test_numbers_of_cpus() {
  local value
  for value in 0 -1 17 08x 1e1 0x2 ' 2' 1.5 99999999999999999999 4,sockets=2 $'2\n'x; do
    refuses '--smp is a whole number' run --smp "$value"
  done
}

test_sizes_of_memory() {
  local value
  for value in 0 0M 8M 31M 1K -1M 64T 1e3M 999999999999G 64M,slots=2 ' 64M' M; do refuses '--mem is' run --mem "$value"; done
}

test_times() {
  local value
  for value in 0 00 -1 1s 1e9 0.5 99999999999999999999; do
    refuses '--timeout is a whole number' run --timeout "$value"
    refuses '--timeout is a whole number' bench --timeout "$value"
  done
}

test_counts_of_events() {
  local value
  for value in 0 08 63 32769 abc; do refuses '--events is a whole number' trace "$WORK/out" --events "$value" -- true; done
}

test_words_of_a_list() {
  refuses '--kernel is' run --kernel bsd
  refuses '--machine is' run --machine q35,accel=kvm
  refuses '--accel is' run --accel hvf
  refuses '--accel is' test --accel ''x
  refuses '--only is' bench --only windows
  refuses '--only is' test --only windows
  refuses "run does not know 'true'" run true
  refuses 'regular expression' test --only unit '*('
  refuses 'one filter' test --only unit fork wait
  refuses '--guard takes no names' bench --guard getppid
  refuses '--guard takes no names' bench --guard --timed
  refuses '--rounds is a whole number' bench --phases getppid --rounds 08x
}

test_kvm_cannot_count_instructions() {
  refuses 'exclude each other' run --accel kvm --icount
  refuses 'exclude each other' bench --accel kvm getppid
}

test_missing_values() {
  local option
  for option in --smp --mem --kernel --initrd --add --machine --append --timeout --accel; do
    refuses "$option needs a value" run "$option"
    [[ $option == --append ]] || refuses "$option needs a value" run "$option" ''
  done
  for option in --json --svg --into --compare --only --timeout --phases --accel; do refuses "$option needs a value" bench "$option"; done
  refuses '--only needs a value' test --only
  refuses '--accel needs a value' test --accel
  refuses '--ex needs a value' debug --ex
  refuses '--events needs a value' trace "$WORK/out" --events
}

test_files_that_are_none() {
  mkdir folder
  mkfifo fifo
  local name
  for name in missing folder fifo -x; do
    refuses '--initrd' run --initrd "$name"
    refuses '--compare' bench --compare "$name" getppid
    refuses '--into' bench --into "$name" getppid
  done
  touch file
  refuses '--svg' bench --svg file getppid
  refuses '--json' bench --json folder getppid
  refuses '--json' bench --json missing/file getppid
  refuses 'trace:' trace folder -- true
  refuses 'trace:' trace missing/file -- true
}

test_added_files() {
  touch file
  refuses "there is no 'missing'" run --add missing
  refuses "there is no ''" run --add :/x
  refuses 'without . and ..' run --add file:/../../x
  refuses 'without . and ..' run --add file:/a/./x
  refuses 'without . and ..' run --add file:..
}

run_tests "$@"
