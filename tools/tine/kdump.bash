# SPDX-License-Identifier: BSD-2-Clause
# ./tine kdump: the guest's kdump is a static program, which the host runs as well.
source "$TINE_ROOT/tools/tine/build.bash"

kdump_help() {
  need_packages "${BUILD_PACKAGES[@]}"
  build release kdump
  "$BUILD/release/kdump" --help
}

kdump_verb() {
  need_packages "${BUILD_PACKAGES[@]}"
  build release kdump
  "$BUILD/release/kdump" "$@"
}
