# shellcheck shell=bash disable=SC2154
# Part of ../../dev: the checks of the sources.

# sources PATTERN...: files of the repository, tracked or about to be, NUL-separated
sources() {
  (cd "$root" && find bpf include tools user tests -type f \( "$@" \) -print0 | sort -z)
}

c_sources() { sources -name '*.c' -o -name '*.h' -o -name '*.cpp'; }

# If clang-format is another version, version 14 may have a package of its own.
install_lint_packages() {
  install_missing "${lint_packages[@]}"
  find_clang_format >/dev/null || install_missing clang-format-14 || true
}

cmd_fmt() {
  local formatter
  install_lint_packages
  formatter="$(find_clang_format)" ||
    die "fmt: clang-format 14 not found (Debian 12 has it; or: pip install clang-format==14.0.6)"
  c_sources | (cd "$root" && xargs -0r "$formatter" -i)
}

# Other versions format differently. In CI a missing formatter is a failure.
check_format() {
  local formatter
  if ! formatter="$(find_clang_format)"; then
    say "format: clang-format 14 not found (Debian 12 has it; or: pip install clang-format==14.0.6)"
    unchecked+=(format)
    ! in_ci
    return
  fi
  c_sources | (cd "$root" && xargs -0r "$formatter" --dry-run -Werror)
}
check_size() {
  local file lines bad=0
  while IFS= read -r -d '' file; do
    lines="$(wc -l <"$root/$file")"
    if [ "$lines" -gt 400 ]; then
      say "$file has $lines lines, more than 400: split it"
      bad=1
    fi
  done < <(sources -name '*.[ch]' -o -name '*.cpp' -o -name '*.py' -o -name '*.sh' &&
    printf 'dev\0.ci/run\0CMakeLists.txt\0')
  return "$bad"
}

# A folder of user/ includes only the folders that it links.
check_layers() { python3 "$root/tools/check_layers.py" "$root"; }

check_shell() {
  (cd "$root" && shellcheck -x dev .ci/run vmlinux/generate && sources -name '*.sh' | xargs -0r shellcheck -x)
}

# A header includes what it uses: each compiles alone. The programs also compile for the other architecture.
check_bpf_headers() {
  if ! command -v clang >/dev/null; then
    say "BPF headers: no clang here"
    unchecked+=(bpf_headers)
    ! in_ci
    return
  fi
  (cd "$root" && find bpf -name '*.h' -print0 |
    xargs -0r -n 1 -P "$(nproc)" clang --target=bpf -D__TARGET_ARCH_x86 -fsyntax-only \
      -Ibpf -Iinclude -isystem vmlinux -x c &&
    find bpf -name '*.bpf.c' -print0 | xargs -0r -n 1 -P "$(nproc)" clang --target=bpf -mcpu=v3 -O2 -g \
      -D__TARGET_ARCH_arm64 -fsyntax-only -Ibpf -Iinclude -isystem vmlinux)
}

# Compiles each source alone, as no other build does, and so finds missing includes.
check_tidy() {
  configure dev "$root/build-dev" || return
  cmake --build "$root/build-dev" --target tcpdwell >&2 || return
  (cd "$root" && find user -name '*.cpp' -print0 |
    xargs -0r -n 4 -P "$(nproc)" clang-tidy --quiet -p build-dev)
}

cmd_lint() {
  local checks=(check_size check_layers check_format check_shell check_bpf_headers) check failed=() unchecked=()
  install_lint_packages
  if [ "${1:-}" != --quick ]; then
    install_missing "${build_packages[@]}"
    checks+=(check_tidy)
  fi
  for check in "${checks[@]}"; do
    "$check" >&2 || failed+=("$check")
  done
  [ "${#failed[@]}" -eq 0 ] || die "lint: failed: ${failed[*]}"
  say "lint: passed${unchecked:+; NOT checked: ${unchecked[*]}}"
}
