# SPDX-License-Identifier: BSD-2-Clause
# ./tine test: unit tests on the host, guest tests in machines, one summary. A result is a line "WORD NAME [WHY]" with
# WORD ok, skip or fail, appended to $RESULTS; names are unit/CASE and WHERE/PROGRAM.CASE.
source "$TINE_ROOT/tools/tine/machine.bash"
source "$TINE_ROOT/tools/tine/nested.bash"
source "$TINE_ROOT/tools/tine/matrix.bash"

test_help() {
  cat <<'HELP'
usage: ./tine test [OPTION...] [FILTER]

Runs the host's unit tests, the tests of this command, then the guest tests on Tine (debug kernel) with 1 and with 4 CPUs,
under KVM with 2 CPUs, a short script on a matrix of CPUs and machines, and as a control the guest tests on Debian's Linux.
Ends with the line "N passed, N failed"; the exit status is 0 when none failed, and 125 when QEMU or KVM gave a machine up.

  FILTER        only tests whose name matches this extended regular expression. Names: unit/SUITE.CASE,
                command/SCRIPT.CASE, WHERE/PROGRAM.CASE, matrix/COMBINATION
  --seeds       only tests of seed rows; ends with a table of the rows
  --only WHERE  only these, and all of their tests; may be repeated. WHERE is
                  unit              the host's unit tests
                  command           the tests of this command
                  tine-1, tine-4    Tine with 1 and 4 CPUs, with KVM where the host's works, else emulated
                  tine-icount       instructions counted instead of time, so that the limits for what the kernel may keep a
                                    CPU or a lock are exact
                  kvm-1, kvm-2      under KVM, with 1 and 2 CPUs
                  shadow-2          under KVM with shadow page tables (npt=0), which forget nothing until the kernel flushes
                                    the TLB; without --only just the programs that change memory maps, see SHADOW_PART in
                                    tools/tine/nested.bash: the whole takes twice as long as kvm-2
                  matrix            boots the combinations of CPU, machine, topology and memory that
                                    tests/matrix/combinations.txt lists; it says how they are chosen
                  linux             Debian's Linux, emulated, as a control
                Without --only: all but tine-icount, and kvm-1, whose tests kvm-2 has with more CPUs.
                Where the host's KVM cannot run kvm-N and shadow-N, they run in a nested machine: Debian's Linux with KVM on
                QEMU's emulated AMD-V. Should that fail by itself, it is started again for the tests that are left, and
                the summary says how often.
  --jitter      Tine schedules by chance, which brings out races of the kernel and of the tests; the results of tests
                that are about priorities and time mean nothing then
  --list        name the tests, run none
  --accel WHAT  kvm or tcg: with KVM, or emulated (default: as ./tine run)
  --verbose     show the build and every result, with its milliseconds
HELP
}

TEST_SECONDS=${TINE_TEST_SECONDS:-60}  # for one guest test
STALL_SECONDS=30                       # longer than that without a word from the machine: it hangs
MAX_DEATHS=8                           # machines that die in one place before the rest is given up
MAX_AGAIN=8                            # tests that failed on Linux get another try if they are no more than these
JITTER=                                # words for the kernel's command line
# How long the kernel may keep interrupts off, hold a spinlock or a mutex, and run without a chance to yield, in ns. Where time
# is the host's, which may stop a CPU at any moment, only what a call can do with seconds is told from that; where instructions
# are counted, one for each ns, it is exact for a debug kernel, which takes several times as many as a release kernel. Most
# mutexes are of one process or one file, whose owner may yield while it holds them; they may be held for longer.
LIMITS_BY_TIME="interrupts=5000000000 spinlock=5000000000 mutex=10000000000 kernel=10000000000"
LIMITS_BY_COUNT="interrupts=400000 spinlock=400000 mutex=2000000000 kernel=2000000"
SEED_ROWS=$TINE_ROOT/tests/seeds/rows.txt

test_verb() {
  local filter='' part=. seeds= list= places=()
  while (($#)); do
    case $1 in
      --seeds) seeds=1 ;;
      --jitter) JITTER=' sched.jitter' ;;
      --list) list=1 ;;
      --verbose) VERBOSE=1 ;;
      --accel) ACCEL=$(value_of "$1" "$@"); shift ;;
      --only) places+=("$(value_of "$1" "$@")"); shift ;;
      -*) usage_error "test does not know '$1'; see ./tine test --help" ;;
      *)
        [[ -z $filter ]] || usage_error "test takes one filter; 'A|B' matches two names"
        filter=$1
        ;;
    esac
    shift
  done
  filter=${filter:-.}
  local place
  ((${#places[@]})) || { places=(unit command tine-1 tine-4 kvm-2 shadow-2 matrix linux) && part=$SHADOW_PART; }
  for place in "${places[@]}"; do
    [[ $place =~ ^(unit|command|tine-1|tine-4|tine-icount|kvm-1|kvm-2|shadow-2|matrix|linux)$ ]] ||
      usage_error "--only is unit, command, tine-1, tine-4, tine-icount, kvm-1, kvm-2, shadow-2, matrix or linux, not '$place'"
  done
  [[ x =~ $filter ]] || (($? == 1)) || usage_error "'$filter' is not an extended regular expression"
  check_accelerator
  TEST_SECONDS=$(seconds_of TINE_TEST_SECONDS "$TEST_SECONDS")
  need_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}" "${TEST_PACKAGES[@]}"
  SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/tine.XXXXXX")
  machine_traps
  RESULTS=$SCRATCH/results
  : >"$RESULTS"

  for place in "${places[@]}"; do
    # A seed row is not proven by the control run.
    [[ -z $seeds || $place != linux ]] || continue
    choose_tests "$place" "$filter" "$seeds" >"$SCRATCH/chosen"
    [[ $place != shadow-2 ]] || sed -Ei "/$part/!d" "$SCRATCH/chosen"
    if [[ -n $list ]]; then
      sed "s|^|$place/|" "$SCRATCH/chosen"
    elif [[ -s $SCRATCH/chosen ]]; then
      local began=$SECONDS before
      before=$(wc -l <"$RESULTS")
      case $place in
        unit) unit_tests ;;
        matrix) matrix_tests ;;
        command) command_tests ;;
        *) guest_tests "$place" ;;
      esac
      say "$place: $(($(wc -l <"$RESULTS") - before)) tests in $((SECONDS - began)) s"
    fi
  done
  [[ -z $list ]] || exit 0
  summary "$seeds"
}

# choose_tests PLACE FILTER SEEDS: names of the tests to run there, after building them.
choose_tests() {
  local place=$1 filter=$2 seeds=$3
  if [[ $place == unit ]]; then
    build host all
    ctest --test-dir "$BUILD/host" -N | sed -n 's/^ *Test *#[0-9]*: //p'
  elif [[ $place == matrix ]]; then
    matrix_names
  elif [[ $place == command ]]; then
    local script
    for script in "$TINE_ROOT"/tests/command/*_test.bash; do bash "$script" --list; done
  else
    build debug guest-tests
    list_guest_tests "$place"
  fi | while IFS= read -r name; do
    if [[ "$place/$name" =~ $filter && (-z $seeds || -n $(row_of "$name")) ]]; then printf '%s\n' "$name"; fi
  done
}

# Guest tests are Linux programs: the host asks them for their cases.
list_guest_tests() {
  local source program
  for source in "$TINE_ROOT"/tests/{guest,seeds,attack}/*.cpp; do
    if [[ $1 == linux ]] && grep -q '^// guest-test: tine-only' "$source"; then continue; fi
    program=$(basename "$source" .cpp)
    "$BUILD/debug/tests/$program" --list | sed "s/^/$program./"
  done
}

# boot_words PROGRAM: what its source wants on the kernel's command line.
boot_words() {
  sed -n 's|^// guest-test: boot ||p' "$TINE_ROOT"/tests/{guest,seeds,attack}/"$1.cpp" 2>/dev/null || true
}

# same_machine LEFT: of the tests in this file, the first and those that can run in the same machine. Sets APPEND.
same_machine() {
  local name program words
  local -A words_of
  unset APPEND
  while IFS= read -r name; do
    program=${name%%.*}
    [[ -v words_of[$program] ]] || words_of[$program]=$(boot_words "$program")
    words=${words_of[$program]}
    [[ -v APPEND ]] || APPEND=$words
    [[ $words != "$APPEND" ]] || printf '%s\n' "$name"
  done <"$1" >"$SCRATCH/now"
}

# row_of PROGRAM.CASE: the seed row that a test's name carries, or nothing.
row_of() { [[ $1 =~ [./]([A-Z][0-9]+)_ ]] && printf '%s' "${BASH_REMATCH[1]}" || true; }

# report WORD NAME [WHY]
report() {
  printf '%s\n' "$*" >>"$RESULTS"
  case $1 in
    fail) printf 'FAILED %s: %s\n' "$2" "${*:3}" ;;
    *) [[ -z $VERBOSE ]] || printf '%s\n' "$*" ;;
  esac
}

unit_tests() {
  local chosen pattern log=$SCRATCH/unit.log number name verdict
  pattern=$(sed 's/[][\.*^$/+?(){}|]/\\&/g' "$SCRATCH/chosen" | paste -sd '|')
  ctest --test-dir "$BUILD/host" --output-on-failure -j "$(nproc)" -R "^($pattern)\$" >"$log" 2>&1 || true
  while IFS= read -r chosen; do
    verdict=$(awk -v name="$chosen" '$2 == "Test" && $4 == name { print; exit }' "$log")
    case $verdict in
      *" Passed "*) report ok "unit/$chosen" ;;
      *Skipped*) report skip "unit/$chosen" ;;
      *) report fail "unit/$chosen" "${verdict##*\*\*\*}" ;;
    esac
  done <"$SCRATCH/chosen"
  if grep -q '^fail unit/' "$RESULTS"; then
    sed -n '/^ *Start/d; /^[ 0-9]*\/[0-9]* Test.*Passed/d; /tests passed,/q; p' "$log"
  fi
}

# command_tests: the scripts that try ./tine itself. Their machines have the debug kernel, which the guest tests need anyway.
command_tests() {
  local script cases
  PRESET=debug
  prepare_kernel
  accelerator >/dev/null  # what it has to say once is not part of what the scripts compare
  for script in $(sed 's/\..*//' "$SCRATCH/chosen" | sort -u); do
    mapfile -t cases < <(sed -n "s/^$script\.//p" "$SCRATCH/chosen")
    bash "$TINE_ROOT/tests/command/${script}_test.bash" "${cases[@]}" >"$SCRATCH/output"
    read_results command "$SCRATCH/output"
  done
}

# guest_tests PLACE: runs the chosen tests in machines of this kind.
guest_tests() {
  local place=$1 left=$SCRATCH/left seconds=$TEST_SECONDS
  PRESET=debug KERNEL=tine CPUS=1 MEMORY=1G TIMEOUT='' ICOUNT=''
  LIMITS=$LIMITS_BY_TIME
  case $place in
    tine-icount) ICOUNT=1 LIMITS=$LIMITS_BY_COUNT ;;
    linux) KERNEL=linux CPUS=4 ;;
    *) CPUS=${place#*-} ;;
  esac
  prepare_kernel
  nested_prepare "$place"
  [[ -z $NESTED ]] || seconds=$((TEST_SECONDS * NESTED_PATIENCE))
  cp "$SCRATCH/chosen" "$left"
  run_left "$place"
  if [[ $place == linux ]]; then ask_linux_again; fi
}

# ask_linux_again: Linux counts time in ticks, which an emulated machine loses while the host is busy, so that its timeouts end
# early or late now and then. A few tests that failed there get two more tries, and the output tells so. On Tine one try is all.
ask_linux_again() {
  local try
  for try in second third; do
    sed -n 's|^fail linux/\([^ ]*\) .*|\1|p' "$RESULTS" >"$left"
    [[ -s $left ]] && (($(wc -l <"$left") <= MAX_AGAIN)) || return 0
    say "linux: a $try try for $(paste -sd ' ' "$left")"
    sed -i '/^fail linux\//d' "$RESULTS"
    run_left linux
  done
}

# run_left PLACE: boots until every test in $SCRATCH/left has a result; a machine that dies costs the test that it was at.
run_left() {
  local place=$1 deaths=0 running again
  while [[ -s $left ]]; do
    same_machine "$left"
    test_machine "$SCRATCH/now"
    read_results "$place" "$SCRATCH/output"
    # What has no result yet: the test that was running when the machine died fails, the rest get another machine.
    running=$(sed -n 's/^run //p' "$SCRATCH/output" | tail -n 1)
    again=
    if [[ -n $NESTED ]] && nested_failed "$place" "$running"; then
      again=1
    elif [[ -n $running ]] && ! grep -qF " $place/$running" <(awk '{ print $0 " " }' "$RESULTS"); then
      report fail "$place/$running" "$DEATH"
      console_tail
      deaths=$((deaths + 1))
    elif [[ -z $running ]]; then
      console_tail
      fail_rest "$place" "$DEATH before the first test"
    fi
    awk -v place="$place/" 'NR == FNR { done[$2] = 1; next } !((place $1) in done)' "$RESULTS" "$left" >"$left.new"
    if [[ -z $again ]] && cmp -s "$left" "$left.new"; then die "the machine ran no test of those that were asked for"; fi
    mv "$left.new" "$left"
    if ((deaths >= MAX_DEATHS)); then
      fail_rest "$place" "not run: $deaths machines have died already"
      return
    fi
  done
}

# fail_rest PLACE WHY: every test in $SCRATCH/left fails, told in one line.
fail_rest() {
  sed "s|^|fail $1/|; s|\$| $2|" "$SCRATCH/left" >>"$RESULTS"
  printf 'FAILED %s tests on %s: %s\n' "$(wc -l <"$SCRATCH/left")" "$1" "$2"
}

# test_machine NAMES: one boot that runs these. Leaves $SCRATCH/output, $SCRATCH/messages and a word in DEATH.
test_machine() {
  local tests=$SCRATCH/tests watched=0 size quiet=0
  rm -rf "$tests" "$SCRATCH/tree"
  mkdir -p "$tests/tests"
  cp "$BUILD/debug/runner" "$BUILD/debug"/tests/* "$tests/tests/" 2>/dev/null || true
  sed 's/\./ /' "$1" >"$tests/tests/plan"
  ADDED=("$(added_name "$tests/tests"):/tests")
  APPEND+=$JITTER
  [[ $KERNEL != tine ]] || APPEND+=$(printf ' kern.latency_limit_%s' $LIMITS)
  machine_request mode=command input=none -- /tests/runner /tests/plan "$seconds"
  machine_line ttyS1
  QEMU_LINE+=(-chardev stdio,id=console,signal=off)
  [[ -z $NESTED ]] || nest_machine
  machine_start </dev/null >"$SCRATCH/output"
  DEATH='the machine crashed'
  while kill -0 "$QEMU" 2>/dev/null; do
    sleep 0.2
    size=$(stat -c %s "$SCRATCH/output")
    quiet=$((size == watched ? quiet + 1 : 0))
    watched=$size
    if ((quiet > (seconds + STALL_SECONDS) * 5)); then
      DEATH='the machine hung'
      machine_stop
      return
    fi
  done
  machine_wait || true
  if guest_failed; then
    # Not the test's fault, and the next machine would fare no better.
    say "$(why_guest_failed)"
    exit "$STATUS_CRASHED"
  elif [[ -n $(reported_status) ]]; then
    DEATH="the runner ended, with status $(reported_status), and the machine with it"
  fi
}

console_tail() {
  {
    cat "$SCRATCH/qemu.log"
    kernel_messages | tail -n 40
  } | sed 's/^/    /'
}

# read_results PLACE FILE: turns the runner's lines into results, and shows what failed tests printed.
read_results() {
  local place=$1 word name why
  while read -r word name why; do
    case $word in
      ok) report ok "$place/$name" "$why" ;;
      skip) report skip "$place/$name" "$why" ;;
      not)
        read -r name why <<<"$why"
        report fail "$place/$name" "$why"
        ;;
      '|') printf '    %s\n' "$name $why" ;;
    esac
  done <"$2"
}

count_of() { grep -c "^$1 " "$RESULTS" || true; }

summary() {
  local skipped
  skipped=$(count_of skip)
  if ((skipped)); then
    printf 'skipped:\n'
    sed -n 's/^skip /  /p' "$RESULTS"
  fi
  nested_summary
  if [[ -n $1 ]]; then seed_table; fi
  if [[ -n $1 ]] || { grep -q ' unit/' "$RESULTS" && grep -q ' tine-' "$RESULTS"; }; then seed_count; fi
  printf '%s passed, %s failed\n' "$(count_of ok)" "$(count_of fail)"
  (($(count_of fail) == 0 && $(count_of ok) > 0))
}

# seed_rows: "ID STATE TITLE" for each row. A row passes when it has tests, off the control run, and none of them failed; in
# machines, when at least one of its tests passed in each kind that ran.
seed_rows() {
  local id title name word rest place
  declare -A state in_machines passed
  while read -r word name rest; do
    id=$(row_of "$name")
    place=${name%%/*}
    [[ -n $id && $place != linux ]] || continue
    [[ $place == unit ]] || in_machines[$id]=1
    case $word in
      fail) state[$id]=FAIL ;;
      ok)
        state[$id]=${state[$id]:-pass}
        passed[$id/$place]=1
        ;;
    esac
  done <"$RESULTS"
  for place in $(awk '{ sub("/.*", "", $2); print $2 }' "$RESULTS" | grep '^tine-' | sort -u); do
    for id in "${!in_machines[@]}"; do
      [[ ${state[$id]-} != pass || -v passed[$id/$place] ]] || state[$id]=FAIL
    done
  done
  while read -r id title; do
    printf '%s %s %s\n' "$id" "${state[$id]:-missing}" "$title"
  done <"$SEED_ROWS"
}

seed_table() { seed_rows | while read -r id state title; do printf '%-4s %-8s %s\n' "$id" "$state" "$title"; done; }

seed_count() {
  seed_rows | awk '$2 == "pass" { passed++ } END { printf "seed rows: %d of %d pass\n", passed, NR }'
}
