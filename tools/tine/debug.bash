# SPDX-License-Identifier: BSD-2-Clause
# ./tine debug: the machine stopped at its first instruction, gdb attached with the kernel's symbols.
source "$TINE_ROOT/tools/tine/machine.bash"
source "$TINE_ROOT/tools/tine/run.bash"

debug_help() {
  cat <<'HELP'
usage: ./tine debug [OPTION...] [--ex GDB-COMMAND]... [-- CMD ARG...]

Boots Tine's debug kernel under gdb, stopped before the first instruction; `continue` boots. The guest's output goes
to a file that is named at the start. Without CMD the guest only boots and sleeps. Where KVM gives the guest up, gdb
shows the guest at that place, and the exit status is 125. Takes the options of ./tine run (--smp, --mem, --add,
--append, --accel kvm|tcg, ...), and:

  --ex GDB-COMMAND   give gdb this command first; may be repeated
HELP
}

debug_verb() {
  local options=() commands=()
  while (($#)); do
    case $1 in
      --ex) commands+=(-ex "$(value_of "$1" "$@")"); shift ;;
      --)
        options+=("$@")
        break
        ;;
      *) options+=("$1") ;;
    esac
    shift
  done
  PRESET=debug
  machine_options "${options[@]}"
  APPEND+=' nokaslr'  # gdb knows the addresses that were linked
  need_packages "${DEBUG_PACKAGES[@]}"
  machine_prepare
  ((${#COMMAND[@]})) || COMMAND=(/bin/sh -c 'echo "the guest is up"; sleep 1000000')
  machine_request mode=command input=none -- "${COMMAND[@]}"
  machine_line ttyS1
  local output=$BUILD/debug-output
  QEMU_LINE+=(-S -gdb "unix:path=$(qemu_value "$SCRATCH/gdb"),server=on,wait=off"
    -chardev "file,id=console,path=$(qemu_value "$output")")
  KEEP_FAILED_GUEST=1
  # Ctrl-C is gdb's: neither QEMU, which has a process group of its own therefore, nor this shell ends by it.
  set -m
  machine_start </dev/null
  set +m
  trap : INT
  local wait_rounds=0
  until [[ -S $SCRATCH/gdb ]]; do
    kill -0 "$QEMU" 2>/dev/null || die "QEMU did not start: $(qemu_complaint)"
    sleep 0.05
    ((wait_rounds++ < 200)) || die "QEMU did not open its gdb socket"
  done
  say "the guest's output goes to $output, kernel messages to $SCRATCH/messages"
  local symbols=$BUILD/$PRESET/tine.elf
  [[ $KERNEL == tine ]] || symbols=/dev/null
  gdb -q -iex "set confirm off" "$symbols" -ex "target remote $SCRATCH/gdb" "${commands[@]}" || true
  machine_stop
  # A debugger that detached has let the guest run on before QEMU could be asked for its state.
  if guest_failed || [[ -n $(kvm_complaint) ]]; then
    say "$(why_guest_failed)"
    exit "$STATUS_CRASHED"
  fi
}
