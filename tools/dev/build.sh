# shellcheck shell=bash disable=SC2154
# Part of ../../dev: the build directories.

in_ci() { [ "${CI:-}" = true ] || [ "${TCPDWELL_WERROR:-}" = ON ]; }

# give_back PATH...: root's files get the owner of the tree, who will build there next
give_back() {
  local path owner
  [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null || return 0
  owner="$(stat -c %u:%g "$root")"
  for path in "$@"; do
    [ ! -e "$path" ] || [ -z "$(find "$path" ! -uid "${owner%:*}" -print -quit)" ] ||
      as_root chown -R "$owner" "$path"
  done
}

# forget_if_moved DIRECTORY: CMake refuses a build directory of another path
forget_if_moved() {
  local cache="$1/CMakeCache.txt"
  [ -e "$cache" ] || return 0
  if ! grep -qxF "CMAKE_HOME_DIRECTORY:INTERNAL=$root" "$cache" ||
    ! grep -qxF "CMAKE_CACHEFILE_DIR:INTERNAL=$1" "$cache"; then
    say "the tree was moved or copied: building $1 from scratch"
    rm -rf -- "$1"
  fi
}

# configure PRESET DIRECTORY [OPTION...]
configure() {
  local preset="$1" directory="$2"
  shift 2
  give_back "$directory"
  forget_if_moved "$directory"
  (cd "$root" && cmake --preset "$preset" "$@" --log-level=WARNING >&2)
}

# build [TARGET...]: all without TARGET
build() {
  local werror=OFF status=0
  ! in_ci || werror=ON
  configure release "$root/build" "-DTCPDWELL_WERROR=$werror"
  cmake --build "$root/build" --target "${@:-all}" >&2 || status=$?
  give_back "$root/build"
  return "$status"
}
