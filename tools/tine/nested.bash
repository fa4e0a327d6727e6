# SPDX-License-Identifier: BSD-2-Clause
# A machine with KVM inside an emulated one, for hosts whose own KVM is missing or differs from what a test needs: Debian's
# Linux with kvm-amd on QEMU's emulated AMD-V is the outer machine, the inner one is what QEMU_LINE says, with KVM.
#
# Outer: one CPU and one thread. With more, QEMU 7.2 resets the inner machine without a word now and then, whatever
# kernel is in it. What the outer machine says goes to $SCRATCH/outer as lines "nested: ..." (nested-init.sh).

OUTER_MEMORY=4G
OUTER_SILENCE=60         # seconds without a sign of life, which the outer machine gives every 5: it hangs
MAX_NESTED_FAILURES=8    # of the emulated AMD-V in one place before they count as failures of the tests
NESTED_PATIENCE=4        # times what a test gets elsewhere: a page that a program touches first costs four exits of emulated KVM
                         # and more, so that filling 1 GiB takes a minute on a busy host
# What ./tine test runs of shadow-2 if it is not asked for by --only: the programs in which memory maps change, are shared, copied, taken
# away or looked into by others, which is where a TLB flush can be missing. Elsewhere shadow page tables only make it slow.
SHADOW_PART='^(address_range|cycles|exec|fail_nth_fork|fork|inspection|layout|memory|ptrace|rfork|shared_segment|thread|vfork)\.'
NESTED=                  # options for kvm-amd where the nested machine is used
declare -A NESTED_FAILURES=()  # PLACE -> how often the emulated AMD-V failed; PLACE/TEST -> and during which test

# nested_prepare PLACE: sets NESTED where these tests need the nested machine, and builds that.
nested_prepare() {
  NESTED=
  case $1 in
    kvm-*) [[ $(accelerator) == kvm ]] || NESTED=npt=1 ;;
    shadow-*) [[ $(accelerator) == kvm ]] && host_shadows || NESTED=npt=0 ;;
  esac
  [[ -n $NESTED ]] || return 0
  outer_initrd
  say "$1: KVM runs in an emulated machine (kvm-amd with $NESTED in Debian's Linux), because the host's is not like that"
}

# host_shadows: whether the host's KVM uses shadow page tables.
host_shadows() {
  local parameter
  for parameter in /sys/module/kvm_amd/parameters/npt /sys/module/kvm_intel/parameters/ept; do
    if [[ -r $parameter ]]; then [[ $(<"$parameter") == [N0] ]] && return 0; fi
  done
  return 1
}

# outer_initrd: sets OUTER_INITRD to an archive with busybox, KVM's modules, and QEMU with its libraries and firmware.
outer_initrd() {
  OUTER_INITRD=$BUILD/linux/outer.cpio
  local qemu module tree=$BUILD/linux/outer init=$TINE_ROOT/tools/tine/nested-init.sh input
  qemu=$(command -v qemu-system-x86_64)
  linux_kernel
  lock_build linux
  for input in "$qemu" /bin/busybox "$LINUX_IMAGE" "$init" "$TINE_ROOT/tools/tine/nested.bash"; do
    [[ $OUTER_INITRD -nt $input ]] || { pack_outer_initrd; break; }
  done
  unlock_build
}

pack_outer_initrd() {
  local library applet
  rm -rf "$tree"
  mkdir -p "$tree"/{bin,dev,proc,sys,tmp,inner,modules}
  cp "$init" "$tree/init"
  cp /bin/busybox "$tree/bin/"
  for applet in sh mount stty insmod cat sed head tail grep dmesg sleep killall mkfifo poweroff; do ln -s busybox "$tree/bin/$applet"; done
  for module in irqbypass kvm kvm-amd; do
    module=$(find "$BUILD/linux/root" -name "$module.ko*" | head -n 1)
    case $module in
      *.xz) xz -dc "$module" >"$tree/modules/$(basename "$module" .xz)" ;;
      *.ko) cp "$module" "$tree/modules/" ;;
      *) die "Debian's Linux kernel has no module kvm-amd that can be unpacked" ;;
    esac
  done
  # ldd names each library as NAME => PATH (ADDRESS), the dynamic linker as PATH (ADDRESS).
  for library in "$qemu" $(ldd "$qemu" | grep -o '/[^ ]*'); do
    mkdir -p "$tree${library%/*}"
    cp -L "$library" "$tree$library"
  done
  for library in /usr/share/{qemu,seabios}/{bios-256k,bios-microvm,kvmvapic,linuxboot,linuxboot_dma,multiboot,multiboot_dma,pvh,qboot}.{bin,rom}; do
    [[ ! -e $library ]] || { mkdir -p "$tree${library%/*}" && cp -L "$library" "$tree$library"; }
  done
  chmod 755 "$tree/init"
  pack_tree "$tree" 0:0 >"$OUTER_INITRD.new"
  mv "$OUTER_INITRD.new" "$OUTER_INITRD"
}

# nest_machine: QEMU_LINE becomes the outer machine's, whose inner one is the old line with KVM; both ports of the inner
# machine end where they did.
nest_machine() {
  local tree=$SCRATCH/inner inner=() word option=
  rm -rf "$tree"
  mkdir -p "$tree/inner"
  ln -f "$KERNEL_IMAGE" "$tree/inner/kernel" 2>/dev/null || cp "$KERNEL_IMAGE" "$tree/inner/kernel"
  ln "$SCRATCH/initrd.cpio" "$tree/inner/initrd"
  for word in "${QEMU_LINE[@]}"; do
    case $word in
      "$KERNEL_IMAGE") word=/inner/kernel ;;
      "$SCRATCH/initrd.cpio") word=/inner/initrd ;;
      stdio,id=console,*) word=file,id=console,path=/dev/ttyS1 ;;
      "file,id=messages,path=$SCRATCH/messages") word=file,id=messages,path=/dev/ttyS2 ;;
    esac
    case $option in
      -accel) word=kvm ;;
      -cpu) word=host ;;
    esac
    option=$word
    inner+=("$word")
  done
  inner[0]=$(command -v "${inner[0]}")
  inner+=(-monitor pipe:/tmp/monitor)
  printf '%q ' exec "${inner[@]}" >"$tree/inner/run"
  printf '%s\n' "$NESTED" >"$tree/inner/options"
  {
    cat "$OUTER_INITRD"
    pack_tree "$tree" 0:0 "$BUILD/linux/outer"
  } >"$SCRATCH/outer.cpio"
  : >"$SCRATCH/outer"
  # Each port has an interrupt of its own: on an ISA bus they cannot be shared.
  # tsc=reliable: where the host takes the emulator's CPU away, Linux may find its TSC unstable, and KVM then lets those of the
  # inner CPUs drift apart. The emulated one is steady.
  QEMU_LINE=(qemu-system-x86_64 -nodefaults -no-user-config -display none -no-reboot
    -accel tcg,thread=single -cpu max -M q35 -smp 1 -m "$OUTER_MEMORY"
    -kernel "$LINUX_IMAGE" -initrd "$SCRATCH/outer.cpio"
    -append "console=ttyS0 panic=-1 quiet mitigations=off random.trust_cpu=on no_timer_check tsc=reliable"
    -chardev "file,id=outer,path=$SCRATCH/outer" -chardev "file,id=messages,path=$SCRATCH/messages"
    -device isa-serial,index=0,chardev=outer
    -device isa-serial,index=1,chardev=console
    -device isa-serial,index=2,irq=5,chardev=messages
    -chardev stdio,id=console,signal=off)
}

# nested_failed PLACE TEST: whether the machine that ended during this test (or before the first, '') ended by a failure of the emulation
# and not of the kernel in it. A kernel that ends itself says so: a panic, a status, a QEMU that ends by isa-debug-exit. A
# triple fault is silent, whether the kernel or the emulated AMD-V made it; the emulation fails by chance, so that a
# second one during the same test counts as the kernel's. So does a hung inner machine in an outer one that lives.
nested_failed() {
  local why='' status
  if [[ -n $VERBOSE ]] || grep -q '^not ok' "$SCRATCH/output"; then nested_log; fi
  if grep -q '^end' "$SCRATCH/output" || [[ -n $(reported_status) ]] || grep -qa PANIC "$SCRATCH/messages"; then return 1; fi
  status=$(tr -d '\r' <"$SCRATCH/outer" | sed -n 's/^nested: end \([0-9]*\)$/\1/p')
  if ! grep -q '^nested: begin' "$SCRATCH/outer"; then
    why='the outer machine did not come up'
  elif [[ $DEATH == 'the machine hung' ]]; then
    # Its log is as old as its last sign of life.
    (($(date +%s) - $(stat -c %Y "$SCRATCH/outer") <= OUTER_SILENCE)) || why='the outer machine hung'
  elif [[ -z $status ]]; then
    why='the outer machine crashed'
  elif [[ ! -v NESTED_FAILURES[$1/$2] ]]; then
    case $status in
      0) why='the inner machine was reset without a word' ;;
      137) why='KVM gave the inner machine up' ;;  # nested-init.sh ends a QEMU that has stopped its guest
      1[2-9][0-9]) why="the inner machine's QEMU ended by signal $((status - 128))" ;;
    esac
  fi
  [[ -n $why ]] && ((${NESTED_FAILURES[$1]-0} < MAX_NESTED_FAILURES)) || return 1
  NESTED_FAILURES[$1]=$((${NESTED_FAILURES[$1]-0} + 1))
  NESTED_FAILURES[$1/$2]=$((${NESTED_FAILURES[$1/$2]-0} + 1))
  say "$1: $why${2:+ during $2}; starting it again for the tests that are left"
  nested_log
}

# nested_log: what the outer machine said, with what it saw of the inner one's CPUs when that was silent.
nested_log() { tr -d '\r' <"$SCRATCH/outer" | grep -av '^nested: alive' | tail -n 200 | sed 's/^/    /' || true; }

nested_summary() {
  local place
  for place in "${!NESTED_FAILURES[@]}"; do
    [[ $place == */* ]] || printf '%s: the emulated AMD-V failed %s times; started again\n' "$place" "${NESTED_FAILURES[$place]}"
  done
}
