#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# script.sh CPUS MIB DATE: what a machine of the matrix runs. Ends with a status that only a whole run gives.
fail() {
  echo "script: $*"
  exit 1
}
[[ $(echo pipe | tr a-z A-Z) == PIPE ]] || fail 'a pipe of two programs'
trap 'signal=came' USR1
kill -USR1 $$
[[ $signal == came ]] || fail 'a signal to the shell'
(exit 5)
(($? == 5)) || fail "the status of a child"
processors=$(cat /proc/cpuinfo | grep -c '^processor')
((processors == $1)) || fail "processors in /proc/cpuinfo: $processors"
date +%Y >/dev/null || fail 'date'
/matrix/probe "$@" || fail 'the probe found faults'
echo 'machine is sound'
exit 37
