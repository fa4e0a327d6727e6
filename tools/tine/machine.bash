# SPDX-License-Identifier: BSD-2-Clause
# The virtual machine: which kernel, which QEMU line, and how output and exit status come back.
#
# Two serial ports. The first carries the command's input and output (or the terminal), the second the kernel's
# messages and, as its last word, `tine-status: N` from init: isa-debug-exit alone would keep 7 bits of a status.
# With a terminal, kernel messages go to the first port as on any console. The same line boots Tine and Linux.
source "$TINE_ROOT/tools/tine/packages.bash"
source "$TINE_ROOT/tools/tine/build.bash"
source "$TINE_ROOT/tools/tine/initrd.bash"
source "$TINE_ROOT/tools/tine/qemu.bash"
source "$TINE_ROOT/tools/tine/accelerator.bash"

STATUS_TIMEOUT=124  # as timeout(1)
STATUS_CRASHED=125  # the guest ended without a status

# What a machine is made of; verbs change these before machine_boot.
KERNEL=tine
PRESET=release
CPUS=$(($(nproc) < 4 ? $(nproc) : 4))
MEMORY=1G
MACHINE=q35
ICOUNT=
ACCEL=  # kvm or tcg; empty: what this host can
TIMEOUT=
APPEND=
INITRD=
VERBOSE=
QEMU_EXTRA=()
ADDED=()

# linux_kernel: sets LINUX_IMAGE to Debian's cloud kernel, unpacked below build/ and never installed.
linux_kernel() {
  local folder=$BUILD/linux
  LINUX_IMAGE=$(compgen -G "$folder/root/boot/vmlinuz-*" | head -n 1) || true
  [[ -z $LINUX_IMAGE ]] || return 0
  say "fetching Debian's Linux kernel"
  rm -rf "$folder"
  mkdir -p "$folder"
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 2>/dev/null | awk '/Depends:/ { print $2; exit }')
  [[ -n $package ]] || die "apt-cache does not know linux-image-cloud-amd64; run apt-get update as root"
  (cd "$folder" && apt-get download -q "$package") >"$folder/fetch.log" 2>&1 ||
    die "could not download $package ($(grep -m1 -E '^E:' "$folder/fetch.log" || echo 'no reason given'))"
  dpkg -x "$folder"/*.deb "$folder/root"
  rm -f "$folder"/*.deb
  LINUX_IMAGE=$(compgen -G "$folder/root/boot/vmlinuz-*" | head -n 1)
}

# machine_prepare: installs, builds and packs all that the machine needs.
machine_prepare() {
  need_packages "${BUILD_PACKAGES[@]}" "${RUN_PACKAGES[@]}"
  prepare_kernel
  SCRATCH=$(mktemp -d "${TMPDIR:-/tmp}/tine.XXXXXX")
  machine_traps
}

# prepare_kernel: sets KERNEL_IMAGE, BASE_INITRD and BASE_TREE for KERNEL and PRESET.
prepare_kernel() {
  if [[ $KERNEL == linux ]]; then
    linux_kernel
    build "$PRESET" init "${GUEST_PROGRAMS[@]}"
    KERNEL_IMAGE=$LINUX_IMAGE
  else
    build "$PRESET" tine.elf init "${GUEST_PROGRAMS[@]}"
    KERNEL_IMAGE=$BUILD/$PRESET/tine.elf
  fi
  base_initrd "$PRESET"
}

machine_cleanup() {
  machine_stop
  [[ -z ${FEEDER-} ]] || kill "$FEEDER" 2>/dev/null || true
  [[ -z ${TERMINAL_STATE-} ]] || stty "$TERMINAL_STATE" <&3 2>/dev/null || true
  rm -rf "$SCRATCH"
}

# machine_request SETTING... -- CMD ARG...: writes what init shall do, and with the --add files makes the initrd.
# Arguments pass as NUL-terminated strings in a file, so that any byte in them survives.
machine_request() {
  local tree=$SCRATCH/tree item
  mkdir -p "$tree/run/tine"
  printf '%s\0' "$@" >"$tree/run/tine/request"
  for item in "${ADDED[@]}"; do add_to_tree "$tree" "$item"; done
  {
    cat -- "${INITRD:-$BASE_INITRD}"
    # Archives begin on a multiple of 4 bytes; cpio pads its own, a foreign one may end anywhere.
    local size
    size=$(stat -Lc %s -- "${INITRD:-$BASE_INITRD}")
    head -c $(((4 - size % 4) % 4)) /dev/zero
    pack_tree "$tree" 0:0 "$BASE_TREE"
  } >"$SCRATCH/initrd.cpio"
}

# machine_line CONSOLE: sets QEMU_LINE; CONSOLE is the guest's name of the port for kernel messages.
machine_line() {
  MACHINE_ACCEL=tcg
  [[ -n $ICOUNT ]] || MACHINE_ACCEL=$(accelerator)
  local append="console=$1 panic=-1"
  [[ -n $VERBOSE ]] || append+=" quiet"
  # On a busy host an emulated timer may miss its time, for which Linux would stop its boot.
  [[ $KERNEL == tine ]] || append+=" random.trust_cpu=on no_timer_check"
  append+=${APPEND:+ $APPEND}
  check_command_line "$append"
  local cpu=max
  QEMU_LINE=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot)
  if [[ -n $ICOUNT ]]; then
    CPUS=1
    # A string instruction counts once for each element. Linux clears pages by bytes where the CPU says that this is as
    # fast as by words, and would be charged eight times for it.
    cpu=max,-erms,-fsrm
    QEMU_LINE+=(-icount shift=0,sleep=off)
  fi
  QEMU_LINE+=(-cpu "$cpu" -accel "$MACHINE_ACCEL" -M "$MACHINE" -smp "$CPUS" -m "$MEMORY"
    -kernel "$KERNEL_IMAGE" -initrd "$SCRATCH/initrd.cpio" -append "$append"
    -device isa-debug-exit,iobase=0xf4,iosize=0x04
    -chardev "file,id=messages,path=$(qemu_value "$SCRATCH/messages")"
    -device isa-serial,index=0,chardev=console -device isa-serial,index=1,chardev=messages
    "${QEMU_EXTRA[@]}")
}

# check_command_line TEXT: QEMU's PVH loader copies it to a buffer of 4096 bytes without a look at its size (QEMU,
# pc-bios/optionrom/pvh_main.c), Linux cuts it off at 2048 (its COMMAND_LINE_SIZE); both count the 0 at the end.
check_command_line() {
  local LC_ALL=C most=4095
  [[ $KERNEL == tine ]] || most=2047
  ((${#1} <= most)) ||
    usage_error "--append: the kernel's command line would be of ${#1} bytes, and only $most reach the kernel"
}

# machine_run: runs QEMU_LINE on this process's standard input and output and sets STATUS to the guest's status.
machine_run() {
  local status=0 complaint
  machine_start
  machine_wait || status=$?
  if [[ -n $TIMEOUT ]] && ((status == 124 || status == 137)); then
    say "the guest was stopped: it had not ended after $TIMEOUT s"
    STATUS=$STATUS_TIMEOUT
    return
  fi
  kernel_messages >&2
  if guest_failed; then
    STATUS=$STATUS_CRASHED
    say "$(why_guest_failed)"
    return
  fi
  STATUS=$(reported_status)
  if [[ -z $STATUS && -n $INITRD ]]; then
    # An init of the user's own: Tine hands out 7 bits of its status, Linux only whether it powered off.
    STATUS=$((status & 1 ? status >> 1 : status))
  elif [[ -z $STATUS ]]; then
    STATUS=$STATUS_CRASHED
    complaint=$(qemu_complaint)
    if [[ -n $complaint ]]; then
      say "QEMU did not run the guest: $complaint"
    else
      say "the guest ended without an exit status (QEMU's is $status): it crashed or could not boot"
    fi
  fi
}

reported_status() { tr -d '\r' <"$SCRATCH/messages" | sed -n 's/.*tine-status: \([0-9]\+\)$/\1/p' | tail -n 1; }

# kernel_messages: what the kernel said, without the lines of init and of ./tine trace.
kernel_messages() { tr -d '\r' <"$SCRATCH/messages" | sed '/^tine-\(status\|ready\|trace\)/d; /^$/d'; }

# machine_terminal CMD ARG...: the guest's console on this terminal; without CMD a shell.
machine_terminal() {
  local rows columns
  read -r rows columns < <(stty size)
  machine_request mode=terminal "term=${TERM:-vt100}" "rows=$rows" "columns=$columns" -- "$@"
  machine_line ttyS0
  # QEMU's own escape key, Ctrl-A, is the shell's "start of line".
  QEMU_LINE+=(-chardev stdio,id=console,signal=off,mux=on -mon chardev=console -echr 0x1d)
  exec 3<&0
  TERMINAL_STATE=$(stty -g)
  (($#)) || say "Ctrl-] x ends the machine at once"
  machine_run
}

# machine_command CMD ARG...: only the command's output on standard output, standard input passed on.
machine_command() {
  local input=stream console=ttyS1
  [[ ! /dev/stdin -ef /dev/null && -e /dev/stdin ]] || input=none
  # A foreign init writes to the console, and that is what the user wants to see.
  [[ -z $INITRD ]] || console=ttyS0
  machine_request mode=command "input=$input" -- "$@"
  machine_line "$console"
  QEMU_LINE+=(-chardev stdio,id=console,signal=off)
  if [[ $input == stream ]]; then
    mkfifo "$SCRATCH/input"
    feed <&0 >"$SCRATCH/input" &
    FEEDER=$!
    machine_run <"$SCRATCH/input"
  else
    machine_run </dev/null
  fi
}

# feed: standard input for the guest, once init is there to read it. A serial line has no end of file: DLE E stands
# for it, and DLE DLE for a DLE in the data.
feed() {
  # What it starts ends with it: whoever reads our standard error would wait for a left one for ever.
  trap 'kill $(jobs -p) 2>/dev/null; exit' TERM
  until grep -qa '^tine-ready' "$SCRATCH/messages" 2>/dev/null; do sleep 0.02; done
  LC_ALL=C sed -u 's/\x10/\x10\x10/g' <&0 &
  wait $!
  printf '\x10E'
  # Keeps the line open: QEMU would go on without it, but there is no reason to end before the guest does.
  exec sleep infinity
}
