# SPDX-License-Identifier: BSD-2-Clause
# Initrds: newc cpio archives that the kernel unpacks one after another, so a run appends its own small archive
# (request, --add files, tests) to the base one that is built once. Ownership is set while packing: no root needed.

# Tine's own programs, all in /usr/bin.
GUEST_PROGRAMS=(ktrace kdump accton lastcomm tine-trace)

# pack_tree FOLDER OWNER:GROUP: the folder's contents as a cpio on standard output, except folders that are in the
# base initrd already (else a later archive would reset the mode of, say, /tmp).
pack_tree() {
  local folder=$1 owner=$2 base=${3-}
  (
    cd "$folder"
    find . -mindepth 1 -print0 | sort -z | while IFS= read -r -d '' path; do
      if [[ -n $base && -d $path && ! -L $path && -d $base/$path ]]; then continue; fi
      printf '%s\0' "${path#./}"
    done | cpio --quiet -0 -o -H newc --reproducible -R "$owner"
  )
}

# base_initrd PRESET: sets BASE_INITRD (the archive) and BASE_TREE (the folder that it was made from).
base_initrd() {
  local preset=$1
  BASE_INITRD=$BUILD/$preset/initrd.cpio
  BASE_TREE=$BUILD/$preset/initrd
  lock_build "$preset"
  local init=$BUILD/$preset/user/init/init programs=("${GUEST_PROGRAMS[@]/#/$BUILD/$preset/}") input
  for input in "$init" "${programs[@]}" /bin/busybox /bin/bash-static "$TINE_ROOT/tools/tine/initrd.bash" "$TINE_ROOT"/user/etc/*; do
    [[ $BASE_INITRD -nt $input ]] || { pack_base_initrd; break; }
  done
  unlock_build
}

pack_base_initrd() {
  rm -rf "$BASE_TREE"
  mkdir -p "$BASE_TREE"/{bin,sbin,usr/bin,usr/sbin,usr/lib,etc,proc,sys,dev,root,run,tmp,var/tmp,var/account,home}
  ln -s ../run "$BASE_TREE/var/run"
  chmod 1777 "$BASE_TREE"/tmp "$BASE_TREE"/var/tmp
  chmod 700 "$BASE_TREE/root"
  cp "$init" "$BASE_TREE/init"
  cp /bin/busybox "$BASE_TREE/bin/busybox"
  cp /bin/bash-static "$BASE_TREE/bin/bash"
  cp "${programs[@]}" "$BASE_TREE/usr/bin/"
  cp "$TINE_ROOT"/user/etc/* "$BASE_TREE/etc/"
  chmod 755 "$BASE_TREE"/init "$BASE_TREE"/bin/* "$BASE_TREE"/usr/bin/*
  local applet
  for applet in $(/bin/busybox --list-full); do
    applet=$BASE_TREE/$applet
    mkdir -p "${applet%/*}"
    [[ -e $applet ]] || ln -s /bin/busybox "$applet"
  done
  # Where the BSDs, and Debian, have them.
  ln -s /bin/busybox "$BASE_TREE/usr/bin/true"
  ln -s /bin/busybox "$BASE_TREE/usr/bin/false"
  # su needs set-user-ID, and only su: a copy, since a link would make every applet set-user-ID.
  rm -f "$BASE_TREE"/{,usr/}bin/su
  cp /bin/busybox "$BASE_TREE/bin/su"
  chmod 4755 "$BASE_TREE/bin/su"

  local home=$BUILD/$preset/initrd-home
  rm -rf "$home"
  mkdir -p "$home/home/user"
  {
    pack_tree "$BASE_TREE" 0:0
    pack_tree "$home" 1000:1000 "$BASE_TREE"
  } >"$BASE_INITRD.new"
  mkdir -p "$BASE_TREE/home/user"
  mv "$BASE_INITRD.new" "$BASE_INITRD"
}

# add_to_tree TREE HOSTPATH[:GUESTPATH]: copies a file or folder to where a run's archive is made.
add_to_tree() {
  local tree=$1 from=${2%%:*} to=/root/
  [[ $2 != *:* ]] || to=${2#*:}
  [[ -e $from ]] || die "--add: there is no '$from'"
  [[ $to == /* ]] || to=/root/$to
  [[ $to != */ ]] || to=$to$(basename "$(realpath "$from")")
  mkdir -p "$tree$(dirname "$to")"
  cp -aHT "$from" "$tree$to" || die "--add: could not copy '$from'"
}
