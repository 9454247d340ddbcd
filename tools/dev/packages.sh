# shellcheck shell=bash disable=SC2154
# Part of ../../dev: installs packages without starting or enabling services.

# Ubuntu's bpftool is a wrapper that works only with the tools of the running kernel.
find_bpftool() {
  local candidate
  for candidate in "$(PATH="$PATH:/usr/sbin:/sbin" command -v bpftool || true)" \
    /usr/lib/linux-tools/*/bpftool /usr/lib/linux-tools-*/bpftool; do
    if [ -x "$candidate" ] && "$candidate" version >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

# Debian has a package bpftool; Ubuntu, up to 24.04, has it in the kernel's tools.
bpftool_packages() {
  local policy
  policy="$(apt-cache policy bpftool)"
  if [[ "$policy" =~ Candidate:\ [0-9] ]]; then
    echo bpftool
  else
    printf '%s\n' linux-tools-common linux-tools-generic
  fi
}

# Only version 14 gives the formatting of this repository; it is Debian 12's default.
find_clang_format() {
  local candidate
  for candidate in clang-format-14 clang-format; do
    if [[ "$("$candidate" --version 2>/dev/null)" = *"version 14."* ]]; then
      printf '%s\n' "$candidate"
      return
    fi
  done
  return 1
}

missing_packages() {
  local installed package
  installed="$(dpkg-query -W -f '${db:Status-Abbrev} ${Package}\n' "$@" 2>/dev/null |
    sed -n 's/^ii *//p' || true)"
  for package in "$@"; do
    if [ "$package" = bpftool ]; then
      find_bpftool >/dev/null || echo bpftool
    elif ! grep -qxF -e "$package" <<<"$installed"; then
      printf '%s\n' "$package"
    fi
  done
}

apt_get() {
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1 \
    apt-get -y -q -o DPkg::Lock::Timeout=300 "$@" </dev/null >&2
}

enabled_units() {
  systemctl list-unit-files --state=enabled --no-legend 2>/dev/null | awk '{ print $1 }' | sort
}

policy=/usr/sbin/policy-rc.d
policy_mark="made by tcpdwell's ./dev while it installs packages"

# Removes the policy of install_without_starting, and disables the units that it enabled.
restore_services() {
  local unit
  ! grep -qsF "$policy_mark" "$policy" || as_root rm -f "$policy"
  while read -r unit; do
    [ -z "$unit" ] || as_root systemctl disable "$unit" >/dev/null 2>&1 || true
  done < <(comm -13 <(echo "$1") <(enabled_units))
}

# Debian starts a server when its package is installed, and at every boot. The tests start
# their own in their own network namespace, so this prevents both, also when interrupted.
# Callers hold a lock: a second ./dev would remove the policy file of the first one.
install_without_starting() (
  before="$(enabled_units)"
  trap 'restore_services "$before"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  # A file with our mark is left from a killed run.
  if [ ! -e "$policy" ] || grep -qF "$policy_mark" "$policy"; then
    printf '#!/bin/sh\n# %s\nexit 101\n' "$policy_mark" | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  apt_get install --no-install-recommends "$@"
)

install_missing() {
  if ! command -v apt-get >/dev/null; then
    say "apt-get not found, so nothing is installed. Needed: $*"
    return
  fi
  local missing lock status=0
  mapfile -t missing < <(missing_packages "$@")
  [ "${#missing[@]}" -ne 0 ] || return 0
  exec {lock}<"$root/dev"
  flock "$lock"
  mapfile -t missing < <(missing_packages "$@")  # another ./dev may have installed them
  if [ "${#missing[@]}" -ne 0 ]; then
    say "installing ${missing[*]}"
    apt_get update || say "apt-get update failed; trying with the present lists"
    if [[ " ${missing[*]} " = *" bpftool "* ]]; then
      mapfile -t missing < <(printf '%s\n' "${missing[@]}" | grep -vx bpftool; bpftool_packages)
    fi
    install_without_starting "${missing[@]}" || status=$?
  fi
  exec {lock}<&-
  return "$status"
}
