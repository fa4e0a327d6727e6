#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# QEMU as a child and the choice of an accelerator, with a small script in QEMU's place: what it does when KVM fails cannot be had
# on every host.
source "$(dirname "$0")/framework.bash"
source "$TINE_ROOT/tools/tine/common.bash"
source "$TINE_ROOT/tools/tine/machine.bash"

# fake_qemu: a QEMU that speaks QMP and does what the functions `guest` and `when_told WORD` of this file say.
fake_qemu() {
  mkdir -p bin
  cat >bin/qemu-system-x86_64 <<'FAKE'
#!/usr/bin/env bash
[[ $1 != --version ]] || exit 0
for word; do [[ $word != pipe,id=qmp,path=* ]] || qmp=${word#*path=}; done
messages=${qmp%qmp}messages
exec 3<>"$qmp.in" 4<>"$qmp.out"
printf '%s\n' "$*" >>"$FAKE_LOG"
echo '{"QMP": {}}' >&4
read -r first <&3
[[ $first == *qmp_capabilities* ]] || exit 9
case $FAKE in
  works) echo 'tine-status: 0' >>"$messages" ;;
  ends) exit 4 ;;
  complains) echo 'qemu-system-x86_64: -accel kvm: no such thing' >&2; exit 1 ;;
  hangs) exec sleep 1000 ;;
  fails | debugged)
    [[ $FAKE == debugged ]] && state=debug || state=internal-error
    echo 'KVM internal error. Suberror: 1' >&2
    echo '{"timestamp": {}, "event": "STOP"}' >&4
    while read -r word <&3; do
      case $word in
        *query-status*) echo "{\"return\": {\"running\": false, \"singlestep\": false, \"status\": \"$state\"}}" >&4 ;;
        *quit*) exit 0 ;;
      esac
      [[ $FAKE != debugged ]] || { sleep 0.5; echo 'tine-status: 7' >>"$messages"; exit 0; }
    done
    ;;
esac
FAKE
  chmod +x bin/qemu-system-x86_64
  export PATH=$PWD/bin:$PATH FAKE_LOG=$PWD/log
  : >log
  SCRATCH=$PWD/scratch BUILD=$PWD/build QEMU_LINE=(qemu-system-x86_64) ICOUNT='' ACCEL='' MACHINE_ACCEL=kvm
  mkdir -p "$SCRATCH" "$BUILD"
}
# The trial needs no kernel here.
prepare_kernel() { KERNEL_IMAGE=none; }
machine_request() { :; }
run_fake() {
  export FAKE=$1
  machine_run 2>told
}

test_status_comes_back() {
  fake_qemu
  run_fake works
  [[ $STATUS == 0 && ! -s told ]]
}

test_failing_guest_ends_with_125() {
  fake_qemu
  run_fake fails
  [[ $STATUS == 125 && $(<told) == 'tine: KVM cannot go on with the guest (KVM internal error. Suberror: 1); --accel tcg emulates' ]]
}

test_stop_by_a_debugger_is_no_failure() {
  fake_qemu
  run_fake debugged
  [[ $STATUS == 7 ]]
}

test_machine_without_a_word() {
  fake_qemu
  run_fake ends
  [[ $STATUS == 125 && $(<told) == *'ended without an exit status'* ]]
  run_fake complains
  [[ $STATUS == 125 && $(<told) == 'tine: QEMU did not run the guest: no such thing' ]]
}

test_timeout() {
  fake_qemu
  TIMEOUT=1
  run_fake hangs
  [[ $STATUS == 124 ]]
}

test_signals_leave_nothing_behind() {
  fake_qemu
  export FAKE=hangs
  local signal status child
  for signal in TERM INT HUP KILL; do
    cat >main <<MAIN
TINE_ROOT=$TINE_ROOT
set -euo pipefail
source "\$TINE_ROOT/tools/tine/common.bash"
source "\$TINE_ROOT/tools/tine/machine.bash"
SCRATCH=$SCRATCH-$signal QEMU_LINE=(qemu-system-x86_64)
mkdir "\$SCRATCH"
machine_traps
machine_start
echo "\$MACHINE" >child
machine_wait
MAIN
    rm -f child
    set -m   # else the shell ignores SIGINT
    bash main &
    set +m
    until [[ -s child && $(wc -l <log) -gt 0 ]]; do sleep 0.05; done
    : >log
    child=$(<child)
    kill "-$signal" $!
    status=0
    wait $! || status=$?
    ((status > 128)) || fail "$signal: status $status"
    for ((round = 0; round < 100; round++)); do kill -0 "$child" 2>/dev/null || break; sleep 0.05; done
    ! kill -0 "$child" 2>/dev/null || fail "$signal: QEMU runs on"
  done
}

test_accelerator_is_kvm_where_tine_ran() {
  fake_qemu
  kvm_device() { printf open; }
  export FAKE=works
  [[ $(accelerator 2>told) == kvm && ! -s told && $(wc -l <log) == 1 ]]
  grep -q -e '-accel kvm' log
  [[ $(accelerator 2>told) == kvm && $(wc -l <log) == 1 ]]   # known now
}

test_accelerator_says_once_why_it_emulates() {
  fake_qemu
  kvm_device() { printf open; }
  local mode
  for mode in fails hangs complains ends; do
    export FAKE=$mode
    rm -f build/accelerator
    [[ $(accelerator 2>told) == tcg ]] || fail "$mode is no reason"
    [[ $(wc -l <told) == 1 ]] || fail "$mode: $(<told)"
    grep -q '^tine: emulating: ' told
    [[ $(accelerator 2>told) == tcg && ! -s told ]] || fail "$mode: said again: $(<told)"
  done
}

test_accelerator_without_a_device() {
  fake_qemu
  kvm_device() { printf absent; }
  [[ $(accelerator 2>told) == tcg && $(<told) == 'tine: emulating: there is no /dev/kvm' && ! -s log ]]
  kvm_device() { printf closed; }
  kvm_unusable() { printf 'no permission'; }
  [[ $(accelerator 2>told) == tcg && $(<told) == *'no permission' ]]   # another state, so asked anew
}

test_accelerator_asks_anew_after_a_boot_of_the_host() {
  fake_qemu
  kvm_device() { printf open; }
  export FAKE=works
  printf 'tcg another-boot\n' >build/accelerator
  [[ $(accelerator 2>told) == kvm ]]
}

test_accelerator_can_be_forced() {
  fake_qemu
  ACCEL=tcg
  [[ $(accelerator) == tcg && ! -e build/accelerator ]]
  ACCEL=kvm
  [[ $(accelerator) == kvm && ! -s log ]]
}

test_command_line_that_does_not_fit() {
  KERNEL=tine
  check_command_line "$(printf '%4095s')"
  if (check_command_line "$(printf '%4096s')") 2>told; then fail '4096 bytes passed'; fi
  KERNEL=linux
  if (check_command_line "$(printf '%2048s')") 2>>told; then fail '2048 bytes passed'; fi
  [[ $(grep -c 'tine: --append: ' told) == 2 ]]
}

run_tests "$@"
