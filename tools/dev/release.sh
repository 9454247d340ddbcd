# shellcheck shell=bash disable=SC2154
# Part of ../../dev: packages, and the tests of what goes with them.

package_packages=(scdoc debhelper lintian rpm rpmlint git)
monitoring_packages=(prometheus nginx openssl)
fleet_packages=(nodejs)
packaging_packages=(zsh fish man-db mmdebstrap logrotate)

# The real Prometheus, promtool and nginx. A service that apt would start is not: see packages.sh.
cmd_monitoring() {
  install_missing "${build_packages[@]}" "${test_packages[@]}" "${monitoring_packages[@]}"
  build tcpdwell
  (cd "$root/tests/monitoring" && with_python -m pytest -q -rs -p no:cacheprovider "$@")
}

# The engines come from npm, into the cache.
cmd_fleet() {
  local modules="${XDG_CACHE_HOME:-$HOME/.cache}/tcpdwell/fleet"
  install_missing "${build_packages[@]}" "${test_packages[@]}"
  command -v npm >/dev/null || install_missing "${fleet_packages[@]}" npm
  build tcpdwell
  mkdir -p "$modules"
  cp "$root/tests/fleet/package.json" "$modules/"
  [ -d "$modules/node_modules/chdb" ] || npm install --prefix "$modules" --no-audit --no-fund >&2
  (cd "$root/tests/fleet" && env "TCPDWELL_BIN=$root/build/tcpdwell" PYTHONDONTWRITEBYTECODE=1 \
    "TCPDWELL_FLEET_MODULES=$modules" /usr/bin/python3 -m pytest -q -rs -p no:cacheprovider "$@")
}

# package [ARCH...]: for this machine's architecture without ARCH
cmd_package() {
  local host arch binaries=() own
  host="$(host_arch)"
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
}

# What they would say is silenced only with a reason beside it: packaging/debian/tcpdwell.lintian-overrides,
# packaging/rpm/rpmlint.toml.
check_packages() {
  local file
  for file in "$root"/dist/*.deb; do
    lintian --fail-on error,warning --allow-root "$file" >&2
  done
  for file in "$root"/dist/*.rpm; do
    rpmlint --config "$root/packaging/rpm/rpmlint.toml" "$file" >&2
  done
}

# The packages of dist/ in root trees of Debian, the completions in real shells, the units, the man pages.
cmd_packaging() {
  install_missing "${build_packages[@]}" "${test_packages[@]}" "${package_packages[@]}" "${packaging_packages[@]}"
  build tcpdwell
  (cd "$root/tests/packaging" && with_python -m pytest -q -rs -p no:cacheprovider "$@")
}
