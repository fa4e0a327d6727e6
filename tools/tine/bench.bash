# SPDX-License-Identifier: BSD-2-Clause
# ./tine bench: the same program on Tine and on Debian's Linux, in the same machine.
source "$TINE_ROOT/tools/tine/machine.bash"

bench_help() {
  cat <<'HELP'
usage: ./tine bench [OPTION...] [NAME...]

Measures process creation on Tine and on Debian's Linux in the same virtual machine: 1 CPU, 4 GiB, and by default
QEMU's instruction counting, where one guest instruction takes 1 ns and a run repeats exactly. Numbers are medians.

  NAME          only these measurements
  --list        name them, run none
  --json FILE   write the numbers to FILE too
  --wall        real time instead of counted instructions
  --only WHERE  tine or linux alone
  --timeout S   end a machine after S seconds (default: 900)
HELP
}

bench_verb() {
  local names=() json='' list='' places=(tine linux) place
  ICOUNT=1 CPUS=1 MEMORY=4G TIMEOUT=900
  while (($#)); do
    case $1 in
      --list) list=1 ;;
      --json) json=$(value_of "$1" "$@") && shift ;;
      --wall) ICOUNT='' ;;
      --only) places=("$(value_of "$1" "$@")") && shift ;;
      --timeout) TIMEOUT=$(value_of "$1" "$@") && shift ;;
      -*) usage_error "bench does not know '$1'; see ./tine bench --help" ;;
      *) names+=("$1") ;;
    esac
    shift
  done
  [[ ${places[0]} == tine || ${places[0]} == linux ]] || usage_error "--only is tine or linux, not '${places[0]}'"
  need_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}"
  build release bench
  if [[ -n $list ]]; then
    "$BUILD/release/bench/bench" --list
    return
  fi
  SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/tine.XXXXXX")
  trap 'machine_cleanup' EXIT
  ADDED=("$BUILD/release/bench/bench:/bench")
  local failed=0
  # Linux without its mitigations, which Tine does not have.
  for place in "${places[@]}"; do
    KERNEL=$place
    APPEND=
    [[ $place != linux ]] || APPEND=mitigations=off
    rm -rf "$SCRATCH/tree"
    prepare_kernel
    say "measuring on $place"
    machine_command /bench "${names[@]}" </dev/null >"$SCRATCH/$place"
    ((STATUS == 0)) || failed=1
  done
  touch "$SCRATCH/tine" "$SCRATCH/linux"
  bench_table
  [[ -z $json ]] || bench_json "$json"
  return $failed
}

bench_rows() { join -a 1 -a 2 -e - -o 0,1.2,2.2 <(sort "$SCRATCH/tine") <(sort "$SCRATCH/linux"); }

bench_table() {
  bench_rows | awk '
    function micro(ns) { return ns == "-" ? "-" : sprintf("%.2f", ns / 1000) }
    BEGIN { printf "%-28s %14s %14s %10s\n", "", "Tine, us", "Linux, us", "Linux/Tine" }
    { printf "%-28s %14s %14s %10s\n", $1, micro($2), micro($3), ($2 == "-" || $3 == "-" || $2 == 0 ? "-" : sprintf("%.1f", $3 / $2)) }'
}

bench_json() {
  bench_rows | awk -v unit="$([[ -n $ICOUNT ]] && echo instructions || echo nanoseconds)" '
    function value(ns) { return ns == "-" ? "null" : ns }
    BEGIN { printf "{\n  \"unit\": \"%s\",\n  \"results\": [", unit }
    { printf "%s\n    {\"name\": \"%s\", \"tine\": %s, \"linux\": %s}", (NR > 1 ? "," : ""), $1, value($2), value($3) }
    END { print "\n  ]\n}" }' >"$1" || die "could not write $1"
}
