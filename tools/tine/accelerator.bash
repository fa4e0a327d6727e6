# SPDX-License-Identifier: BSD-2-Clause
# KVM or QEMU's emulator (tcg). That QEMU can open /dev/kvm proves nothing: on some hosts, most of them virtual machines, KVM then
# fails at the guest's first instructions. So KVM is used where Tine has booted with it, run a program and ended.
#
# The answer holds for this boot of the host and is kept in build/accelerator: "ANSWER BOOT-ID", the state of /dev/kvm that it was
# found in, the reason. It is sought anew when that state changes or Debian packages did (QEMU may be another).

TRIAL_SECONDS=1

# kvm_device: absent, closed (no permission) or open.
kvm_device() {
  if [[ ! -e /dev/kvm ]]; then
    printf absent
  elif [[ ! -r /dev/kvm || ! -w /dev/kvm ]]; then
    printf closed
  else
    printf open
  fi
}

# kvm_unusable DEVICE-STATE: why KVM cannot even be asked.
kvm_unusable() {
  case $1 in
    absent) printf 'there is no /dev/kvm' ;;
    closed) printf 'no permission to use /dev/kvm: join the group %s' "$(stat -c %G /dev/kvm)" ;;
  esac
}

# accelerator: prints kvm or tcg: what --accel says, else what is known of this host, else what a trial shows. Says once why it is tcg.
accelerator() {
  if [[ -n $ACCEL ]]; then
    printf '%s' "$ACCEL"
    return
  fi
  local cache=$BUILD/accelerator boot answer='' known_boot='' known_device='' device reason
  boot=$(</proc/sys/kernel/random/boot_id)
  device=$(kvm_device)
  if [[ -e $cache && ! /var/lib/dpkg/status -nt $cache ]]; then
    { read -r answer known_boot && read -r known_device; } <"$cache" || true
    if [[ $answer =~ ^(kvm|tcg)$ && $known_boot == "$boot" && ${known_device:-$device} == "$device" ]]; then
      printf '%s' "$answer"
      return
    fi
  fi
  reason=$(kvm_unusable "$device")
  [[ $device != open ]] || reason=$(try_kvm)
  answer=kvm
  if [[ -n $reason ]]; then
    answer=tcg
    say "emulating: $reason"
  fi
  printf '%s %s\n%s\n%s\n' "$answer" "$boot" "$device" "$reason" >"$cache.$BASHPID"
  mv "$cache.$BASHPID" "$cache"
  printf '%s' "$answer"
}

# try_kvm: boots Tine under KVM and lets it run one program. Prints nothing when that went well, else why not.
try_kvm() (
  ACCEL=kvm KERNEL=tine ICOUNT='' MACHINE=q35 MEMORY=256M TIMEOUT=$TRIAL_SECONDS
  VERBOSE='' APPEND='' INITRD='' ADDED=() QEMU_EXTRA=() KEEP_FAILED_GUEST=''
  SCRATCH=$SCRATCH/trial
  mkdir -p "$SCRATCH"
  prepare_kernel
  machine_request mode=command input=none -- /bin/true
  machine_line ttyS1
  QEMU_LINE+=(-chardev "null,id=console")
  qemu-system-x86_64 --version >/dev/null   # brings QEMU and its libraries into memory: the limit is for the guest
  machine_run </dev/null >/dev/null 2>&1
  if guest_failed; then
    printf 'KVM here cannot run a guest (%s)' "$(why_guest_failed | sed 's/^[^(]*(\(.*\)).*$/\1/')"
  elif ((STATUS == STATUS_TIMEOUT)); then
    printf 'Tine did not boot under KVM within %s s' "$TRIAL_SECONDS"
  elif ((STATUS != 0)); then
    printf 'KVM here cannot run Tine (%s)' "$(qemu_complaint | grep . || printf 'it ended with status %s' "$STATUS")"
  fi
)

# check_accelerator: ends with a sentence where --accel asks for what cannot be.
check_accelerator() {
  case $ACCEL in
    '' | tcg) return ;;
    kvm) ;;
    *) usage_error "--accel is kvm or tcg, not '$ACCEL'" ;;
  esac
  [[ -z $ICOUNT ]] || usage_error "only the emulator counts instructions: --accel kvm and --icount exclude each other"
  local reason
  reason=$(kvm_unusable "$(kvm_device)")
  [[ -z $reason ]] || { say "--accel kvm: $reason"; exit "$STATUS_CRASHED"; }
}
