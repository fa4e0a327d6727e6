#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Process 1 of the nested machine's outer Linux (tools/tine/nested.bash): loads KVM, runs the inner machine, powers off.
# /inner/run is the inner machine's QEMU line, /inner/options what kvm-amd shall be told.
#
# Three serial ports: ttyS0 carries what is said here, as lines "nested: ..."; the inner machine writes its console to
# ttyS1 and its kernel's messages to ttyS2.
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
for line in ttyS1 ttyS2; do stty -F /dev/$line raw -echo; done

say() { echo "nested: $*"; }
end() {
  say "$*"
  poweroff -f
  sleep 60
}

insmod /modules/irqbypass.ko && insmod /modules/kvm.ko && insmod /modules/kvm-amd.ko $(cat /inner/options) ||
  end "no KVM"
say "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), npt $(cat /sys/module/kvm_amd/parameters/npt)"

mkfifo /tmp/monitor.in /tmp/monitor.out
grep -E '^(CPU#|R[A-Z0-9]+ *=|CR|LVT|SPIV|ICR|ISR|IRR)' </tmp/monitor.out | sed 's/^/nested: /' &

# What the inner machine's CPUs are at.
show_cpus() {
  say "nothing from the inner machine for a minute:"
  for moment in 1 2 3; do
    printf '%s\n' 'info registers -a' 'info lapic 0' 'info lapic 1' >/tmp/monitor.in
    sleep 1
  done
}

say begin
. /inner/run </dev/null >/dev/ttyS0 2>/tmp/errors &
machine=$!

# Says that this machine is alive, so that the host can tell a hung inner machine from a hung outer one. QEMU stops a guest
# that KVM gives up, and waits for ever.
quiet=0
while sleep 5; do
  say alive
  if grep -qE 'KVM internal error|KVM: entry failed' /tmp/errors; then killall -9 qemu-system-x86_64; fi
  sent=$(grep '^1:' /proc/tty/driver/serial | sed 's/.* tx:\([0-9]*\).*/\1/')
  [ "$sent" = "$before" ] && quiet=$((quiet + 1)) || quiet=0
  before=$sent
  [ $quiet != 12 ] || show_cpus
done &

wait $machine
status=$?
cat /tmp/errors
dmesg | grep -iE 'kvm|tsc|clocksource' | tail -n 20 | sed 's/^/nested: /'
end "end $status"
