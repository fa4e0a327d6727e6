# SPDX-License-Identifier: BSD-2-Clause
# Tests of ./tine itself, on the host. A script NAME_test.bash sources this, defines functions test_CASE and ends with `run_tests
# "$@"`. A test fails when a command in it does. Speaks the guest runner's language: "run", "ok", "not" and "| " lines.
set -euo pipefail
shopt -s inherit_errexit

TINE_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# run_tests --list | CASE...: names the cases, or runs these, each in a shell and a folder ($WORK) of its own.
run_tests() {
  local program cases name status
  program=$(basename "$0" _test.bash)
  mapfile -t cases < <(declare -F | sed -n 's/^declare -f test_//p')
  if [[ ${1-} == --list ]]; then
    printf "$program.%s\n" "${cases[@]}"
    return
  fi
  (($# == 0)) || cases=("$@")
  WORK=$(mktemp -d "${TMPDIR:-/tmp}/tine-command.XXXXXX")
  trap 'rm -rf "$WORK"' EXIT
  for name in "${cases[@]}"; do
    printf 'run %s\n' "$program.$name"
    rm -rf "${WORK:?}"/*
    set +e
    (set -e; cd "$WORK"; "test_$name") >"$WORK/../${WORK##*/}.log" 2>&1 </dev/null
    status=$?
    set -e
    if ((status == 0)); then
      printf 'ok %s\n' "$program.$name"
    else
      sed 's/^/| /' "$WORK/../${WORK##*/}.log"
      printf 'not %s %s\n' "$program.$name" "ended with status $status"
    fi
    rm -f "$WORK/../${WORK##*/}.log"
  done
}

fail() {
  printf '%s\n' "$*"
  exit 1
}

# tine ARG...: runs ./tine. Sets STATUS and SAID (both outputs).
tine() {
  STATUS=0
  SAID=$(timeout 120 "$TINE_ROOT/tine" "$@" 2>&1) || STATUS=$?
}

# refuses PATTERN ARG...: ./tine ARG... is a usage error: status 2 and one line of its own that matches, before any work.
refuses() {
  local pattern=$1
  shift
  tine "$@"
  ((STATUS == 2)) || fail "./tine $* ended with $STATUS and said: $SAID"
  [[ $SAID =~ ^tine:\ [^$'\n']*$ && $SAID =~ $pattern ]] || fail "./tine $* said: $SAID"
}
