# SPDX-License-Identifier: BSD-2-Clause
# ./tine run: a machine with a shell on this terminal, or one command in a machine.
source "$TINE_ROOT/tools/tine/machine.bash"

run_help() {
  cat <<'HELP'
usage: ./tine run [OPTION...] [-- CMD ARG...]

Boots a virtual machine. Without CMD: an interactive bash. With CMD: its output goes to standard output, and nothing
else does; standard input is passed on (a terminal, when input and output are both one); its exit status comes back.
124 means that --timeout ended the machine, 125 that the guest crashed or could not boot.

  --smp N               number of CPUs (default: the host's, at most 4)
  --mem SIZE            memory, such as 64M or 2G (default: 1G)
  --kernel tine|linux   tine, or Debian's cloud kernel with the same initrd and the same QEMU line
  --debug-kernel        Tine with lock-order checks, memory poisoning and fault injection
  --initrd FILE         a cpio archive instead of Tine's own
  --add HOST[:GUEST]    put a file or folder into the initrd (default place: /root/); may be repeated
  --machine q35|microvm QEMU's machine type (default: q35)
  --icount              count instructions: 1 CPU, 1 instruction = 1 ns, runs are repeatable
  --append STR          more words for the kernel's command line
  --timeout S           end the machine after S seconds
  --verbose             show the build, the QEMU line and all kernel messages
  --sdk-env             boot nothing: build the SDK and print what musl-gcc needs to compile BSD programs for Tine
HELP
}

# machine_options "$@": reads the options above; sets COMMAND to what follows `--`.
machine_options() {
  COMMAND=()
  while (($#)); do
    case $1 in
      --smp) CPUS=$(value_of "$1" "$@") && shift ;;
      --mem) MEMORY=$(value_of "$1" "$@") && shift ;;
      --kernel) KERNEL=$(value_of "$1" "$@") && shift ;;
      --initrd) INITRD=$(value_of "$1" "$@") && shift ;;
      --add) ADDED+=("$(value_of "$1" "$@")") && shift ;;
      --machine) MACHINE=$(value_of "$1" "$@") && shift ;;
      --append) APPEND=$(value_of "$1" "$@") && shift ;;
      --timeout) TIMEOUT=$(value_of "$1" "$@") && shift ;;
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
  is_number "$CPUS" && ((CPUS >= 1)) || usage_error "--smp needs a number of CPUs, not '$CPUS'"
  [[ $MEMORY =~ ^[0-9]+[KMGkmg]?$ ]] || usage_error "--mem needs a size such as 256M, not '$MEMORY'"
  [[ $KERNEL == tine || $KERNEL == linux ]] || usage_error "--kernel is tine or linux, not '$KERNEL'"
  [[ $MACHINE == q35 || $MACHINE == microvm ]] || usage_error "--machine is q35 or microvm, not '$MACHINE'"
  [[ -z $TIMEOUT ]] || is_number "$TIMEOUT" || usage_error "--timeout needs whole seconds, not '$TIMEOUT'"
  [[ -z $INITRD || -r $INITRD ]] || usage_error "--initrd: cannot read '$INITRD'"
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
