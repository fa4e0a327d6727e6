# SPDX-License-Identifier: BSD-2-Clause
# ./tine bench --phases NAME: where the instructions of one round of a measurement go on Tine, by call path. The guest
# repeats the measurement; tools/bench/phases.py tells QEMU to log one round and folds the log.

# measure_phases NAME [OPTION-OF-phases.py...]
measure_phases() {
  local name=$1 waited=0
  shift
  KERNEL=tine ICOUNT=1 MEMORY=2G
  prepare_kernel
  machine_request mode=command input=none -- /bench/bench --repeat "$name"
  machine_line ttyS1
  QEMU_LINE+=(-chardev stdio,id=console,signal=off -monitor "unix:$(qemu_value "$SCRATCH/monitor"),server=on,wait=off")
  machine_start </dev/null >"$SCRATCH/output"
  until grep -q '^run ' "$SCRATCH/output"; do
    kill -0 "$QEMU" 2>/dev/null && ((waited++ < 600)) || die "the guest did not begin: $(tail -qn 3 "$SCRATCH/qemu.log" "$SCRATCH/output" "$SCRATCH/messages")"
    sleep 0.1
  done
  sleep 2  # warm
  local status=0
  "$TINE_ROOT/tools/bench/phases.py" --monitor "$SCRATCH/monitor" --trace "$SCRATCH/trace" \
    --kernel "$KERNEL_IMAGE" --program "$BENCH_PROGRAMS/bench" "$@" || status=$?
  machine_stop
  return $status
}
