# SPDX-License-Identifier: BSD-2-Clause
# QEMU as a child process: started in the background, watched through QMP, ended with the command that started it.
#
# QEMU stops a guest that it or KVM cannot go on with and then waits for its user. No option of QEMU makes it end, so the watch
# does: it takes QMP's STOP event, asks for the state and, when that is a failure, writes it to $SCRATCH/stopped and tells QEMU to
# quit. QMP goes over two FIFOs, which need no other program. Source: QEMU's docs/interop/qmp-spec, qapi/run-state.json.

# Not empty: a failed guest stays, for a debugger to look at.
KEEP_FAILED_GUEST=

# machine_traps: ends the machine when this process ends, also by a signal.
machine_traps() {
  trap 'machine_cleanup' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# machine_start: runs QEMU_LINE in the background on this process's standard input and output. Sets QEMU to its process id.
# QEMU gets SIGTERM when this process dies without having ended it.
machine_start() {
  local command=("${QEMU_LINE[@]}" -chardev "pipe,id=qmp,path=$(qemu_value "$SCRATCH/qmp")" -mon chardev=qmp,mode=control)
  [[ -z $TIMEOUT ]] || command=(timeout --foreground -k 2 "$TIMEOUT" "${command[@]}")
  : >"$SCRATCH/messages"
  rm -f "$SCRATCH"/qmp.{in,out} "$SCRATCH/stopped"
  mkfifo "$SCRATCH"/qmp.{in,out}
  [[ -z $VERBOSE ]] || say "${command[*]}"
  setpriv --pdeathsig TERM "${command[@]}" <&0 2>"$SCRATCH/qemu.log" &
  QEMU=$!
  watch_machine </dev/null >/dev/null 2>&1 &
  WATCH=$!
}

# machine_wait: returns QEMU's status once it has ended.
machine_wait() {
  local status=0
  wait "$QEMU" 2>/dev/null || status=$?
  QEMU=
  end_watch
  return $status
}

# machine_stop: ends QEMU, if it is there, within 4 s.
machine_stop() {
  local round
  if [[ -n ${QEMU-} ]]; then
    kill "$QEMU" 2>/dev/null || true
    for ((round = 0; round < 80; round++)); do
      kill -0 "$QEMU" 2>/dev/null || break
      sleep 0.05
    done
    kill -KILL "$QEMU" 2>/dev/null || true
    wait "$QEMU" 2>/dev/null || true
    QEMU=
  fi
  end_watch
}

end_watch() {
  [[ -n ${WATCH-} ]] || return 0
  kill "$WATCH" 2>/dev/null || true
  wait "$WATCH" 2>/dev/null || true
  WATCH=
}

# watch_machine: reads QMP until QEMU ends. What a debugger or the user's monitor stops is no failure.
watch_machine() {
  local line in out state
  exec {in}>"$SCRATCH/qmp.in" {out}<"$SCRATCH/qmp.out"
  printf '{"execute":"qmp_capabilities"}\n' >&"$in"
  while IFS= read -r line <&"$out"; do
    if [[ $line == *'"event": "STOP"'* ]]; then
      printf '{"execute":"query-status"}\n' >&"$in"
    elif [[ $line =~ \"status\":\ \"(internal-error|io-error|guest-panicked|watchdog)\" ]]; then
      state=${BASH_REMATCH[1]}
      printf '%s\n' "$state" >"$SCRATCH/stopped"
      [[ -n $KEEP_FAILED_GUEST ]] || printf '{"execute":"quit"}\n' >&"$in"
    fi
  done
}

# guest_failed: whether QEMU gave the guest up.
guest_failed() { [[ -s $SCRATCH/stopped ]]; }

# kvm_complaint: KVM's own words, from QEMU's log, or nothing.
kvm_complaint() { sed -n -E '/^(KVM|error: kvm)/{p;q}' "$SCRATCH/qemu.log"; }

# why_guest_failed: one phrase.
why_guest_failed() {
  local words
  words=$(kvm_complaint)
  if [[ -n $words ]]; then
    printf 'KVM cannot go on with the guest (%s); --accel tcg emulates' "$words"
  else
    printf 'QEMU cannot go on with the guest (%s)' "$(<"$SCRATCH/stopped")"
  fi
}

# qemu_complaint: the first thing that QEMU said about why it did not start, or nothing.
qemu_complaint() {
  sed -n -E '/terminating on signal/d; s/^qemu-system-x86_64: *//; /^warning:/d; /./{s/^-accel kvm: *//;p;q}' "$SCRATCH/qemu.log"
}

# qemu_value TEXT: as the value of one of QEMU's comma-separated options.
qemu_value() { printf '%s' "${1//,/,,}"; }
