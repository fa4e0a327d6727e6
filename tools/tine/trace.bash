# SPDX-License-Identifier: BSD-2-Clause
# ./tine trace: one command in a machine, and the lives of all processes as a trace file.
source "$TINE_ROOT/tools/tine/run.bash"

trace_help() {
  cat <<'HELP'
usage: ./tine trace FILE [OPTION...] -- CMD ARG...

Runs a command on Tine as ./tine run does, with the same options (--smp, --accel kvm|tcg, ...), and writes the lives
of all processes to FILE, in Chrome's trace format. Open it in https://ui.perfetto.dev or chrome://tracing: a track for
each process and thread, a slice for each program that it runs (a new one after exec), one inside it while a vfork
waits, an arrow for each fork; a slice's details say how it ended. What the kernel had no room for is counted
("dropped" in the file).

  --events N    how many events to keep, at most 32768 (default). A process that forks, runs and ends makes 4
HELP
}

trace_verb() {
  local file=${1-} events=32768 options=()
  [[ -n $file && $file != -* ]] || usage_error "trace needs a file to write; see ./tine trace --help"
  shift
  while (($#)) && [[ $1 != -- ]]; do
    if [[ $1 == --events ]]; then
      events=$(value_of "$1" "$@")
      shift
    else
      options+=("$1")
    fi
    shift
  done
  events=$(number_between --events "$events" 64 32768)
  machine_options "${options[@]}" "$@"
  ((${#COMMAND[@]})) || usage_error "trace needs a command after --"
  [[ $KERNEL == tine ]] || usage_error "only Tine can be traced"
  check_writable trace "$file"
  APPEND="kern.trace_events=$events${APPEND:+ $APPEND}"
  machine_prepare
  # The events come over the line of the kernel's messages, so that the command's output stays its own.
  COMMAND=(tine-trace record /dev/ttyS1 "${COMMAND[@]}")
  if [[ -t 0 && -t 1 ]]; then machine_terminal "${COMMAND[@]}"; else machine_command "${COMMAND[@]}"; fi
  ((STATUS != STATUS_CRASHED && STATUS != STATUS_TIMEOUT)) || exit "$STATUS"   # which has been told
  tr -d '\r' <"$SCRATCH/messages" | "$BUILD/$PRESET/tine-trace" chrome >"$file" || die "the guest left no trace"
  say "$(grep -c '"ph":"s"' "$file" || true) forks in $file; open it in https://ui.perfetto.dev"
  exit "$STATUS"
}
