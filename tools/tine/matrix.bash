# SPDX-License-Identifier: BSD-2-Clause
# ./tine test --only matrix: the combinations of CPU, machine, topology and memory in tests/matrix/combinations.txt, which says
# how they were chosen. Each is one boot of the release kernel, always emulated: a CPU model then has what its name says
# whatever the host has. Two run at a time. A combination either must run tests/matrix/script.sh to its end, or must be
# refused by the kernel in one line.

MATRIX=$TINE_ROOT/tests/matrix
MATRIX_AT_ONCE=2
MATRIX_SECONDS=${TINE_MATRIX_SECONDS:-90}  # for one boot, on a busy host
MATRIX_STATUS=37                           # of script.sh

# matrix_rows: "NAME CPU MACHINE SMP MEMORY EXPECTATION..." without comments.
matrix_rows() { grep -v -e '^ *#' -e '^ *$' "$MATRIX/combinations.txt"; }

matrix_names() { matrix_rows | awk '{ print $1 }'; }

# matrix_tests: runs the combinations named in $SCRATCH/chosen and reports each.
matrix_tests() {
  PRESET=release KERNEL=tine TIMEOUT=$MATRIX_SECONDS VERBOSE='' INITRD='' ICOUNT='' APPEND=''
  local ACCEL=tcg
  prepare_kernel
  build release matrix-probe
  ADDED=("$(added_name "$BUILD/release/matrix/probe"):/matrix/probe" "$(added_name "$MATRIX/script.sh"):/matrix/script.sh")
  local name cpu machine smp memory expectation running=0
  while read -r name cpu machine smp memory expectation; do
    grep -qxF "$name" "$SCRATCH/chosen" || continue
    if ((running == MATRIX_AT_ONCE)); then
      wait -n || true
      running=$((running - 1))
    fi
    matrix_boot "$name" "$cpu" "$machine" "$smp" "$memory" "$expectation" </dev/null &
    running=$((running + 1))
  done < <(matrix_rows)
  wait
  while IFS= read -r name; do
    if [[ ! -e $SCRATCH/matrix/$name/fault || -s $SCRATCH/matrix/$name/fault ]]; then
      report fail "matrix/$name" "$(cat "$SCRATCH/matrix/$name/fault" 2>&1)"
      tail -n 20 "$SCRATCH/matrix/$name"/{output,errors} 2>&1 | sed 's/^/    /'
    else
      report ok "matrix/$name"
    fi
  done <"$SCRATCH/chosen"
}

# matrix_boot NAME CPU MACHINE SMP MEMORY EXPECTATION: one boot, in a subshell. Leaves what is wrong in the file `fault`, and
# output and errors.
matrix_boot() {
  local name=$1 cpu=$2 expectation=$6 folder=$SCRATCH/matrix/$1 date at
  MACHINE=$3 CPUS=$4 MEMORY=$5
  mkdir -p "$folder"
  SCRATCH=$folder
  trap - EXIT
  echo 'the test did not come to its end' >"$folder/fault"
  date=$(date +%s)
  [[ $expectation != *' undated'* ]] || date=0
  machine_request mode=command input=none -- /bin/bash /matrix/script.sh \
    "$(matrix_word cpus "${CPUS%%,*}")" "$(matrix_mebibytes "$MEMORY")" "$date"
  machine_line ttyS1
  for ((at = 0; at < ${#QEMU_LINE[@]} - 1; at++)); do
    [[ ${QEMU_LINE[at]} != -cpu ]] || QEMU_LINE[at + 1]=$cpu
  done
  QEMU_LINE+=(-chardev stdio,id=console,signal=off)
  machine_run </dev/null >"$folder/output" 2>"$folder/errors"
  matrix_judge >"$folder/fault"
  rm -rf "$folder"/{initrd.cpio,tree}
}

# matrix_word WORD OTHERWISE: N of "WORD=N" in the expectation.
matrix_word() { [[ " $expectation " =~ \ $1=([0-9]+)\  ]] && printf '%s' "${BASH_REMATCH[1]}" || printf '%s' "$2"; }

matrix_mebibytes() {
  case $1 in
    *G) printf '%s' $((${1%G} * 1024)) ;;
    *) printf '%s' "${1%M}" ;;
  esac
}

# matrix_judge: one line that tells what is wrong, or nothing.
matrix_judge() {
  local text=
  case $expectation in
    refuses\ *)
      text=${expectation#refuses }
      if ((STATUS != STATUS_CRASHED)); then
        echo "the status is $STATUS, and not that of a kernel that refuses"
      elif (($(cat "$folder/output" "$folder/messages" | grep -c '[^[:space:]]') != 1)); then
        echo 'the refusal is not one line'
      elif ! grep -qF -- "$text" "$folder/output" "$folder/messages"; then
        echo "the refusal does not say '$text'"
      fi
      ;;
    boots*)
      [[ $expectation != *' says '* ]] || text=${expectation#* says }
      if ((STATUS != MATRIX_STATUS)); then
        echo "the status is $STATUS, not $MATRIX_STATUS"
      elif [[ -n $text ]] && ! grep -qF -- "$text" "$folder/output" "$folder/messages"; then
        echo "the kernel does not say '$text'"
      fi
      ;;
    *) echo "no such expectation: $expectation" ;;
  esac
}
