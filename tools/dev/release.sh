# shellcheck shell=bash disable=SC2154
# Part of ../../dev: packages, and the tests that take too long for `./dev test`.

package_packages=(scdoc debhelper lintian rpm rpmlint git)
package_test_packages=(mmdebstrap e2fsprogs qemu-system-x86 cpio runc)
fleet_packages=(nodejs prometheus)

# package [--test] [ARCH...]: for this machine's architecture without ARCH
cmd_package() {
  local host arch binaries=() own test=
  host="$(host_arch)"
  if [ "${1:-}" = --test ]; then
    test=1
    shift
  fi
  [ "$#" -gt 0 ] || set -- "$host"
  install_missing "${package_packages[@]}"
  own="$(cmd_dist "$host")"
  for arch in "$@"; do
    if [ "$arch" = "$host" ]; then
      binaries+=("$arch=$own")
    else
      binaries+=("$arch=$(cmd_dist "$arch")")
    fi
  done
  PYTHONDONTWRITEBYTECODE=1 python3 "$root/tools/package.py" --host "$own" "${binaries[@]}"
  check_packages
  [ -z "$test" ] || test_packages_of_dist
}

# An exception is listed with its reason: packaging/debian/tcpdwell.lintian-overrides, packaging/rpm/rpmlint.toml.
check_packages() {
  local name
  while read -r _ name; do
    case "$name" in
      *.deb) lintian --fail-on error,warning --allow-root "$root/dist/$name" >&2 ;;
      *.rpm) rpmlint --config "$root/packaging/rpm/rpmlint.toml" "$root/dist/$name" >&2 ;;
    esac
  done <"$root/dist/SHA256SUMS"
}

# Installs, uses, upgrades and purges them in root trees and virtual machines of Debian, which it downloads.
test_packages_of_dist() {
  install_missing "${test_packages[@]}" "${package_test_packages[@]}"
  (cd "$root/tests/packaging" && with_python -m pytest -q -rs -p no:cacheprovider test_packages.py)
}

# fleet [sql|rows|hosts|load|sizes]: the engines come from npm, into the cache.
cmd_fleet() {
  local modules="${XDG_CACHE_HOME:-$HOME/.cache}/tcpdwell/fleet" files=() name
  install_missing "${build_packages[@]}" "${test_packages[@]}" "${fleet_packages[@]}"
  command -v npm >/dev/null || install_missing npm
  build tcpdwell tcpdwell_churn tcpdwell_merge
  mkdir -p "$modules"
  if ! cmp -s "$root/tests/fleet/package.json" "$modules/package.json"; then
    cp "$root/tests/fleet/package.json" "$modules/"
    npm install --prefix "$modules" --no-audit --no-fund >&2
  fi
  for name in "$@"; do files+=("test_$name.py"); done
  (cd "$root/tests/fleet" && as_root env "TCPDWELL_BIN=$root/build/tcpdwell" \
    "TCPDWELL_CHURN=$root/build/tests/bench/churn" "TCPDWELL_MERGE=$root/build/tests/merge" \
    PYTHONDONTWRITEBYTECODE=1 "TCPDWELL_FLEET_MODULES=$modules" /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider "${files[@]}")
}
