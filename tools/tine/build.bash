# SPDX-License-Identifier: BSD-2-Clause
# Building: CMake presets and Ninja, silent but for a progress line. One build at a time in a build folder.
source "$TINE_ROOT/tools/tine/packages.bash"

build_help() {
  cat <<'HELP'
usage: ./tine build [--debug-kernel] [--verbose]

Builds the kernel and the guest's programs, and prints the path of tine.elf.

  --debug-kernel  with lock-order checks, memory poisoning and fault injection
  --verbose       show what the compiler is called with
HELP
}

build_verb() {
  local preset=release
  VERBOSE=
  while (($#)); do
    case $1 in
      --debug-kernel) preset=debug ;;
      --verbose) VERBOSE=1 ;;
      *) usage_error "build does not know '$1'; see ./tine build --help" ;;
    esac
    shift
  done
  need_packages "${BUILD_PACKAGES[@]}"
  build "$preset" tine.elf init
  printf '%s\n' "$BUILD/$preset/tine.elf"
}

# lock_build PRESET, unlock_build: one process at a time changes what is below $BUILD/PRESET.
lock_build() {
  mkdir -p "$BUILD/$1"
  exec {build_lock}>"$BUILD/$1/lock"
  flock "$build_lock"
}
unlock_build() { exec {build_lock}>&-; }

# build PRESET TARGET...: configures when needed, then builds these targets below $BUILD/PRESET.
build() {
  local preset=$1 folder=$BUILD/$1
  shift
  lock_build "$preset"
  local log=$folder/build.log
  if [[ ! -e $folder/build.ninja ]]; then
    (cd "$TINE_ROOT" && cmake --preset "$preset" -B "$folder") >"$log" 2>&1 || { build_failed "$log"; }
  fi
  if [[ -n ${VERBOSE-} ]]; then
    ninja -C "$folder" -v "$@" >&2 || die "the build failed"
  else
    ninja -C "$folder" -j "$(nproc)" "$@" 2>&1 | tee "$log" | build_progress "$preset" || build_failed "$log"
  fi
  unlock_build
}

build_failed() {
  grep -vE '^(\[[0-9]+/[0-9]+\]|ninja: Entering|-- )' "$1" | head -n 80 >&2
  die "the build failed (all of it: $1)"
}

# Turns Ninja's "[3/120] ..." lines into one line that is overwritten on a terminal, or one single line elsewhere.
build_progress() {
  local line announced=
  while IFS= read -r line; do
    [[ $line =~ ^\[([0-9]+/[0-9]+)\] && $line != *Re-checking* ]] || continue
    if [[ -t 2 ]]; then
      printf '\rtine: building (%s) %s\e[K' "$1" "${BASH_REMATCH[1]}" >&2
    elif [[ -z $announced ]]; then
      say "building ($1)"
    fi
    announced=1
  done
  if [[ -n $announced && -t 2 ]]; then printf '\r\e[K' >&2; fi
}
