#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Where --add puts files: in the folder that becomes the initrd, and nowhere else.
source "$(dirname "$0")/framework.bash"
source "$TINE_ROOT/tools/tine/common.bash"
source "$TINE_ROOT/tools/tine/initrd.bash"

test_default_place_and_names() {
  mkdir tree
  echo word >file
  add_to_tree tree file
  add_to_tree tree file:other
  add_to_tree tree file:/etc/
  add_to_tree tree file:/a/b/c
  [[ -f tree/root/file && -f tree/root/other && -f tree/etc/file && -f tree/a/b/c ]]
}

test_names_with_all_characters() {
  mkdir tree
  local name
  for name in 'a b' 'a:b' 'a\b' 'a\:b' $'a\nb' "a'b\"c" 'a,b' '-a' 'a*?[b]' 'ä' 'a\'; do
    touch -- "$name"
    add_to_tree tree "$(added_name "$name")"
    [[ -f tree/root/$name ]] || fail "no '$name'"
    add_to_tree tree "$(added_name "$name"):/to/$(added_name "$name")"
    [[ -f tree/to/$name ]] || fail "no '/to/$name'"
  done
}

test_folders_keep_modes_and_links() {
  mkdir -p tree folder/inner
  touch folder/inner/file
  chmod 640 folder/inner/file
  ln -s /nowhere folder/link
  add_to_tree tree folder:/deep/place
  [[ $(stat -c %a tree/deep/place/inner/file) == 640 && $(readlink tree/deep/place/link) == /nowhere ]]
}

test_never_through_a_link_to_the_host() {
  mkdir tree host folder
  echo mine >host/file
  echo other >new
  ln -s "$PWD/host" folder/link
  ln -s "$PWD/host/file" folder/name
  add_to_tree tree folder:/f
  if (add_to_tree tree new:/f/link/new) 2>told; then fail 'went through a link'; fi
  grep -q 'symbolic link' told
  add_to_tree tree new:/f/name   # takes the link's place
  [[ $(ls host) == file && $(<host/file) == mine && $(<tree/f/name) == other ]]
}

test_trees_behind_a_link() {
  mkdir real
  ln -s real link
  mkdir link/tree
  touch file
  add_to_tree link/tree file:/x/y
  [[ -f real/tree/x/y ]]
}

run_tests "$@"
