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

# split_added HOST[:GUEST]: sets ADD_FROM and ADD_TO, the names on the host and in the guest. The first colon divides them; a
# backslash before a colon or a backslash takes its meaning away. What is wrong is a usage error.
split_added() {
  local text=$1 names=('' '') at=0 i character
  for ((i = 0; i < ${#text}; i++)); do
    character=${text:i:1}
    if [[ $character == '\' && ${text:i+1:1} == [:\\] ]]; then
      i=$((i + 1))
      names[at]+=${text:i:1}
    elif [[ $character == : ]] && ((at == 0)); then
      at=1
    else
      names[at]+=$character
    fi
  done
  ADD_FROM=${names[0]} ADD_TO=${names[1]:-/root/}
  [[ $ADD_FROM == /* ]] || ADD_FROM=./$ADD_FROM   # a name that begins with "-" is no option
  [[ -n ${names[0]} && -e $ADD_FROM ]] || usage_error "--add: there is no '${names[0]}'"
  [[ -r $ADD_FROM ]] || usage_error "--add: cannot read '${names[0]}'"
  [[ $ADD_TO == /* ]] || ADD_TO=/root/$ADD_TO
  if [[ $ADD_TO == */ ]]; then
    ADD_TO+=$(basename "$(realpath "$ADD_FROM")")
  fi
  [[ ! $ADD_TO =~ (^|/)\.\.?(/|$) ]] || usage_error "--add: the guest's name '$ADD_TO' must be a plain path, without . and .."
}

# added_name PATH: as split_added reads it back.
added_name() {
  local path=${1//\\/\\\\}
  printf '%s' "${path//:/\\:}"
}

# add_to_tree TREE HOST[:GUEST]: copies a file or folder to where a run's archive is made, and never anywhere else: a link that
# was added before leads to a place in the guest, not on the host.
add_to_tree() {
  local tree=$1 folder
  split_added "$2"
  folder=$(dirname "$tree$ADD_TO")
  [[ $(realpath -m "$folder") == "$(realpath "$tree")$(realpath -ms "$(dirname "$ADD_TO")" | sed 's|^/$||')" ]] ||
    usage_error "--add: '$ADD_TO' leads through a symbolic link that was added before"
  mkdir -p "$folder" 2>/dev/null && cp -aHT --remove-destination "$ADD_FROM" "$tree$ADD_TO" ||
    die "--add: could not copy '$ADD_FROM' to the guest's '$ADD_TO'"
}
