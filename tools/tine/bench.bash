# SPDX-License-Identifier: BSD-2-Clause
# ./tine bench: the same program on Tine and on Debian's Linux, in the same machine. The program (bench/) says which
# machine each measurement needs; measurements that need the same one share a boot. tools/bench/report.py makes tables,
# JSON and plots of the results, which are lines "PLACE CLOCK NAME UNIT VALUE".
source "$TINE_ROOT/tools/tine/machine.bash"
source "$TINE_ROOT/tools/tine/phases.bash"

bench_help() {
  cat <<'HELP'
usage: ./tine bench [OPTION...] [NAME...]
       ./tine bench --phases NAME [--least N] [--flat] [--rounds N]
       ./tine bench --host

Measures process creation on Tine and on Debian's Linux in the same virtual machine, and says which of Tine's budgets
(bench/budgets.txt) are reached. Numbers are medians.

  NAME            only these measurements; a pattern such as 'fork-*' names several
  --list          name them, run none
  --icount        count instructions: 1 CPU, 1 instruction = 1 ns, runs repeat (default)
  --timed         real time, with KVM where the host has it: several runs, median and spread
  --accel kvm|tcg with KVM, or emulated; kvm only with --timed (default: as ./tine run)
  --only WHERE    tine or linux alone
  --json FILE     write the numbers to FILE too
  --svg FOLDER    plot them there
  --into FILE     write the tables of a document anew (what lies after "<!-- results of NAME... -->"); may be repeated
  --compare FILE  tell what changed by more than 1 % since the run that wrote this JSON
  --guard         measure on Tine alone, counted, what bench/guard.txt names, and check that it became no worse: two minutes at most
  --check         exit status 1 when a budget is not reached
  --timeout S     end a machine after S seconds (default: 900)
  --verbose       show the build, the QEMU lines and all kernel messages

With --phases: where the instructions of one round of a measurement go on Tine, by call path. --least N leaves out what
took fewer instructions (default: 20), --flat adds up by function, --rounds N traces so many and shows the middle one.

With --host: kernel code that also runs on the host, by Google Benchmark: how long the choice of a process id takes.
HELP
}

TIMED_RUNS=3

bench_verb() {
  local patterns=() json='' svg='' list='' check='' guard='' compare='' documents=() phases='' phase_options=() places=(tine linux)
  ICOUNT=1 TIMEOUT=900
  while (($#)); do
    case $1 in
      --list) list=1 ;;
      --icount) ICOUNT=1 ;;
      --timed) ICOUNT='' ;;
      --check) check=1 ;;
      --guard) guard=1 ;;
      --verbose) VERBOSE=1 ;;
      --json) json=$(value_of "$1" "$@"); shift ;;
      --compare) compare=$(value_of "$1" "$@"); shift ;;
      --into) documents+=(--into "$(value_of "$1" "$@")"); shift ;;
      --svg) svg=$(value_of "$1" "$@"); shift ;;
      --accel) ACCEL=$(value_of "$1" "$@"); shift ;;
      --only) places=("$(value_of "$1" "$@")"); shift ;;
      --timeout) TIMEOUT=$(value_of "$1" "$@"); shift ;;
      --host)
        need_packages "${BUILD_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
        build host pid_space
        exec "$BUILD/host/bench/host/pid_space" --benchmark_min_time=0.2
        ;;
      --phases) phases=$(value_of "$1" "$@"); shift ;;
      --least | --rounds)
        value_of "$1" "$@" >/dev/null
        phase_options+=("$1" "$(number_between "$1" "$2" 0 1000000)")
        shift
        ;;
      --flat) phase_options+=("$1") ;;
      -*) usage_error "bench does not know '$1'; see ./tine bench --help" ;;
      *) patterns+=("$1") ;;
    esac
    shift
  done
  local budgets=$TINE_ROOT/bench/budgets.txt
  if [[ -n $guard ]]; then
    ((${#patterns[@]} == 0)) && [[ -n $ICOUNT ]] || usage_error "--guard takes no names, and counts instructions"
    places=(tine) check=1 budgets=$TINE_ROOT/bench/guard.txt
    mapfile -t patterns < <(sed -n 's/^\([a-z][^ ]*\) .*/\1/p' "$budgets")
  fi
  [[ ${places[0]} == tine || ${places[0]} == linux ]] || usage_error "--only is tine or linux, not '${places[0]}'"
  TIMEOUT=$(seconds_of --timeout "$TIMEOUT")
  check_accelerator
  # Before minutes of work are lost.
  [[ -z $json ]] || check_writable --json "$json"
  [[ -z $compare ]] || check_readable --compare "$compare"
  [[ -z $svg || ! -e $svg || -d $svg ]] || usage_error "--svg: '$svg' is not a folder"
  local i
  for ((i = 1; i < ${#documents[@]}; i += 2)); do check_readable --into "${documents[i]}"; done
  need_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${BENCH_PACKAGES[@]}"
  [[ -z $svg ]] || need_packages "${PLOT_PACKAGES[@]}"
  build release bench-programs
  BENCH_PROGRAMS=$BUILD/release/bench/programs
  if [[ -n $list ]]; then
    "$BENCH_PROGRAMS/bench" --list | cut -d ' ' -f 1
    return
  fi
  SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/tine.XXXXXX")
  machine_traps
  ADDED=("$(added_name "$BENCH_PROGRAMS"):/bench" "/usr/lib/x86_64-linux-musl/libc.so:/lib/ld-musl-x86_64.so.1")
  # Where the kernel lies makes no instruction more or less; profiles by address want it where it was linked.
  APPEND='init=/bench/boot-clock rdinit=/bench/boot-clock nokaslr'
  if [[ -n $phases ]]; then
    measure_phases "$phases" "${phase_options[@]}"
    return
  fi

  choose_measurements "${patterns[@]}" >"$SCRATCH/chosen"
  [[ -s $SCRATCH/chosen ]] || usage_error "no measurement has that name; see ./tine bench --list"
  : >"$SCRATCH/results"
  local place failed=0
  for place in "${places[@]}"; do (KERNEL=$place && prepare_kernel); done
  # Process groups of their own, so that an interrupt can end each with its machine.
  local machines=() machine
  trap 'for machine in "${machines[@]}"; do kill -- "-$machine" 2>/dev/null || true; done; machine_cleanup' EXIT
  if [[ -n $ICOUNT ]]; then
    # Counts do not mind company.
    set -m
    for place in "${places[@]}"; do
      measure "$place" counted &
      machines+=($!)
    done
    set +m
    for machine in "${machines[@]}"; do wait "$machine" || failed=$?; done
  fi
  for place in "${places[@]}"; do
    set -m
    measure "$place" real &
    set +m
    machines=($!)
    wait $! || failed=$?
    ((failed != STATUS_CRASHED)) || break
  done
  machines=()
  ((failed != STATUS_CRASHED)) || exit "$failed"   # QEMU gave the guest up, which has been told

  local report=("$TINE_ROOT/tools/bench/report.py" --results "$SCRATCH/results"
    --budgets "$budgets" --titles "$TINE_ROOT/bench/titles.txt")
  [[ -z $guard ]] && ((${#patterns[@]} || ${#places[@]} < 2)) || report+=(--whole)
  [[ -z $json ]] || report+=(--json "$json")
  [[ -z $compare ]] || report+=(--compare "$compare")
  report+=("${documents[@]}")
  [[ -z $svg ]] || report+=(--svg "$svg")
  [[ -z $check ]] || report+=(--check)
  "${report[@]}" || failed=1
  return $failed
}

# choose_measurements PATTERN...: lines "NAME CPUS MIB CLOCK BOOT" of what was asked for; those with the same BOOT and the
# same machine share a boot. With --timed all are real.
choose_measurements() {
  local name cpus memory clock boot pattern
  "$BENCH_PROGRAMS/bench" --list | while read -r name cpus memory clock boot; do
    [[ -n $ICOUNT ]] || clock=real
    for pattern in "${@:-*}"; do
      # shellcheck disable=SC2053  # the right side is a pattern
      if [[ $name == $pattern ]]; then
        printf '%s %s %s %s %s\n' "$name" "$cpus" "$memory" "$clock" "$boot"
        break
      fi
    done
  done
}

# measure PLACE CLOCK: runs what was chosen for this clock, in one machine after another.
measure() (
  local place=$1 clock=$2 runs=1 run cpus memory boot failed=0
  KERNEL=$place
  # Linux without its mitigations, which Tine does not have, and with huge pages only where a program asks for them.
  [[ $place != linux ]] || APPEND+=' mitigations=off transparent_hugepage=madvise'
  SCRATCH=$SCRATCH/$place
  mkdir -p "$SCRATCH"
  trap - EXIT HUP INT TERM
  prepare_kernel
  local words=$APPEND
  if [[ $clock == real ]]; then ICOUNT='' runs=$TIMED_RUNS; fi
  for ((run = 1; run <= runs; run++)); do
    while read -r cpus memory boot; do
      CPUS=$cpus MEMORY=${memory}M
      # Tine has 99,999 pids unless told otherwise.
      APPEND=$words
      if [[ $place == tine && $boot == processes-100000 ]]; then APPEND+=' kern.pid_max=262144'; fi
      sed -n "s/ $cpus $memory $clock $boot\$//p" "$SCRATCH/../chosen" >"$SCRATCH/left"
      measure_left "$place" "$clock" || failed=$?
    done < <(awk -v clock="$clock" '$4 == clock && !seen[$2, $3, $5]++ { print $2, $3, $5 }' "$SCRATCH/../chosen")
  done
  return $failed
)

# measure_left PLACE CLOCK: the measurements named in $SCRATCH/left. Where the machine dies in one, the rest get another.
measure_left() {
  local place=$1 clock=$2 failed=0 names died
  while [[ -s $SCRATCH/left ]]; do
    mapfile -t names <"$SCRATCH/left"
    rm -rf "$SCRATCH/tree"
    machine_command /bench/bench "${names[@]}" </dev/null > >(tee "$SCRATCH/output" | bench_progress "$place" "${#names[@]}")
    wait $!
    awk -v where="$place $clock" '$1 != "run" && NF == 3 { print where, $0 }' "$SCRATCH/output" >>"$SCRATCH/../results"
    if ((STATUS == 0)); then return $failed; fi
    if guest_failed; then exit "$STATUS_CRASHED"; fi
    failed=1
    died=$(sed -n 's/^run //p' "$SCRATCH/output" | tail -n 1)
    say "$place: no result for ${died:-any measurement}"
    [[ -n $died ]] || return 1
    sed -n "1,/^$died\$/!p" "$SCRATCH/left" >"$SCRATCH/left.new"
    mv "$SCRATCH/left.new" "$SCRATCH/left"
  done
  return $failed
}

# bench_progress PLACE COUNT: tells of each measurement as it begins, and why one was skipped.
bench_progress() {
  local word rest done=0
  while read -r word rest; do
    case $word in
      run) say "$1: $rest ($((++done)) of $2)" ;;
      skip) say "$1: $rest" ;;
    esac
  done
}
