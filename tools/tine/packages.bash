# SPDX-License-Identifier: BSD-2-Clause
# Debian packages: names the missing ones and installs them. A stamp in build/ remembers a complete set until dpkg's
# database changes, so that the usual run costs no query.

BUILD_PACKAGES=(clang-19 lld-19 llvm-19 cmake ninja-build g++ libboost-dev libstb-dev musl-tools ccache)
RUN_PACKAGES=(qemu-system-x86 busybox-static bash-static cpio)
TEST_PACKAGES=(libgtest-dev libclang-rt-19-dev libbenchmark-dev)
DEBUG_PACKAGES=(gdb)
BENCH_PACKAGES=(python3)
PLOT_PACKAGES=(gnuplot-nox)

# need_packages NAME...: returns when all are installed, else ends with one sentence that says why not.
need_packages() {
  local stamp=$BUILD/packages database=/var/lib/dpkg/status
  local wanted="$*"
  if [[ $stamp -nt $database ]] && grep -qxF -- "$wanted" "$stamp"; then return; fi
  [[ -e $database ]] || die "this needs Debian 12 or 13 (found no dpkg database) for: $wanted"

  local missing=() name
  for name; do
    [[ $(dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null) == installed ]] || missing+=("$name")
  done
  ((${#missing[@]} == 0)) || install_packages "${missing[@]}"
  mkdir -p "$BUILD"
  [[ $stamp -nt $database ]] || : >"$stamp"
  printf '%s\n' "$wanted" >>"$stamp"
}

install_packages() {
  local as_root=() log=$BUILD/install.log
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "these Debian packages are missing, and only root can install them: $*"
    as_root=(sudo)
  fi
  say "installing Debian packages: $*"
  mkdir -p "$BUILD"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "$@")
  # The package lists of a fresh machine may be empty or old: only then is the slower update needed.
  if ! "${as_root[@]}" "${install[@]}" >"$log" 2>&1; then
    "${as_root[@]}" apt-get update -q >>"$log" 2>&1 || true
    "${as_root[@]}" "${install[@]}" >>"$log" 2>&1 ||
      die "apt-get could not install $* ($(grep -m1 -E '^(E|Err):?' "$log" || echo 'no reason given'); all of it: $log)"
  fi
}
