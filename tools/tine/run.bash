# SPDX-License-Identifier: BSD-2-Clause
# ./tine run: a machine with a shell on this terminal, or one command in a machine.
source "$TINE_ROOT/tools/tine/machine.bash"

run_help() {
  cat <<'HELP'
usage: ./tine run [OPTION...] [-- CMD ARG...]

Boots a virtual machine. Without CMD: an interactive bash. With CMD: its output goes to standard output, and nothing
else does; standard input is passed on (a terminal, when input and output are both one); its exit status comes back.
124 means that --timeout ended the machine, 125 that the guest crashed or could not boot, 2 a wrong option.

Without --accel, KVM is used where it works: the first run after the host has started boots Tine under it for a moment, at
most a second, and says in one line when and why it emulates instead.

  --smp N               number of CPUs, 1 to 16 (default: the host's, at most 4)
  --mem SIZE            memory, such as 64M or 2G (default: 1G; at least 32M)
  --kernel tine|linux   tine, or Debian's cloud kernel with the same initrd and the same QEMU line
  --debug-kernel        Tine with lock-order checks, memory poisoning and fault injection
  --initrd FILE         a cpio archive instead of Tine's own
  --add HOST[:GUEST]    put a file or folder into the initrd (default place: /root/); may be repeated. A colon or
                        backslash that belongs to a name is written \: or \\
  --machine q35|microvm QEMU's machine type (default: q35)
  --accel kvm|tcg       with KVM, or emulated (default: KVM where Tine has booted under it since the host started)
  --icount              count instructions: 1 CPU, 1 instruction = 1 ns, runs are repeatable
  --append STR          more words for the kernel's command line
  --timeout S           end the machine after S seconds (1 or more)
  --verbose             show the build, the QEMU line and all kernel messages
  --sdk-env             boot nothing: build the SDK and print what musl-gcc needs to compile BSD programs for Tine
HELP
}

# machine_options "$@": reads the options above; sets COMMAND to what follows `--`.
machine_options() {
  COMMAND=()
  while (($#)); do
    case $1 in
      --smp) CPUS=$(value_of "$1" "$@"); shift ;;
      --mem) MEMORY=$(value_of "$1" "$@"); shift ;;
      --kernel) KERNEL=$(value_of "$1" "$@"); shift ;;
      --initrd) INITRD=$(value_of "$1" "$@"); shift ;;
      --add)
        value_of "$1" "$@" >/dev/null
        ADDED+=("$2")   # not by $(...), which would take newlines from the end of a name
        shift
        ;;
      --machine) MACHINE=$(value_of "$1" "$@"); shift ;;
      --append)
        (($# >= 2)) || usage_error "--append needs a value"   # which may be empty
        APPEND=$2
        shift
        ;;
      --timeout) TIMEOUT=$(value_of "$1" "$@"); shift ;;
      --accel) ACCEL=$(value_of "$1" "$@"); shift ;;
      --icount) ICOUNT=1 ;;
      --debug-kernel) PRESET=debug ;;
      --verbose) VERBOSE=1 ;;
      --)
        shift
        COMMAND=("$@")
        break
        ;;
      *) usage_error "run does not know '$1'; a command to run comes after --; see ./tine run --help" ;;
    esac
    shift
  done
  check_machine_options
}

MOST_CPUS=16
LEAST_MEMORY=32   # MiB
MOST_MEMORY=1048576

check_machine_options() {
  CPUS=$(number_between --smp "$CPUS" 1 $MOST_CPUS)
  check_memory
  [[ $KERNEL == tine || $KERNEL == linux ]] || usage_error "--kernel is tine or linux, not '$KERNEL'"
  [[ $MACHINE == q35 || $MACHINE == microvm ]] || usage_error "--machine is q35 or microvm, not '$MACHINE'"
  [[ -z $TIMEOUT ]] || TIMEOUT=$(seconds_of --timeout "$TIMEOUT")
  [[ -z $INITRD ]] || check_readable --initrd "$INITRD"
  local item
  for item in "${ADDED[@]}"; do split_added "$item"; done
  check_accelerator
}

# check_memory: --mem; without a unit it is MiB, as in QEMU.
check_memory() {
  local size unit mebibytes
  [[ $MEMORY =~ ^0*([0-9]{1,10})([KMGkmg]?)$ ]] || usage_error "--mem is a size such as 256M or 2G, not '$MEMORY'"
  size=$((10#${BASH_REMATCH[1]})) unit=${BASH_REMATCH[2]^}
  case $unit in
    K) mebibytes=$((size / 1024)) ;;
    G) mebibytes=$((size * 1024)) ;;
    *) mebibytes=$size ;;
  esac
  ((mebibytes >= LEAST_MEMORY && mebibytes <= MOST_MEMORY)) ||
    usage_error "--mem is from ${LEAST_MEMORY}M to $((MOST_MEMORY / 1024))G, not '$MEMORY'"
  MEMORY=$size${unit:-M}
}

# Before the source files: headers. After them: the library.
sdk_environment() {
  need_packages "${BUILD_PACKAGES[@]}"
  VERBOSE='' build release libtine.a
  printf 'CC=musl-gcc\nCFLAGS="-static -I%s"\nLDLIBS="%s"\n' "$TINE_ROOT/user/sdk/include" "$BUILD/release/libtine.a"
}

run_verb() {
  if [[ ${1-} == --sdk-env ]]; then
    sdk_environment
    return
  fi
  machine_options "$@"
  machine_prepare
  if [[ -t 0 && -t 1 ]]; then
    machine_terminal "${COMMAND[@]}"
  elif ((${#COMMAND[@]})); then
    machine_command "${COMMAND[@]}"
  else
    machine_command bash
  fi
  exit "$STATUS"
}
