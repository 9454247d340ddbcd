#!/usr/bin/env python3
"""Reads a whole vmlinux.h and writes the part that the BPF sources need.

    vmlinux/minimise.py CLANG < whole.h > vmlinux.h

Starts from an empty header, compiles the sources, and adds each declaration whose absence the
compiler reports, until it reports none. Declarations keep their order.
"""
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
# Each source with the macros of its variants.
SOURCES = (("bpf/tcpdwell.bpf.c", ()), ("bpf/tcpdwell.bpf.c", ("-DTCPDWELL_PROBED",)),
           ("bpf/symbols.bpf.c", ()), ("bpf/where.bpf.c", ()))
ARCHITECTURES = ("x86", "arm64")
MISSING = re.compile(
    r"error: .*?(?:unknown type name|use of undeclared identifier|incomplete (?:definition of )?type|"
    r"incomplete type named|undefined type|member access into incomplete type)[^']*'(?:const )?"
    r"(?:(?P<kind>struct|union|enum) )?(?P<name>\w+)")
FORWARD = re.compile(r"note: forward declaration of '(?P<kind>struct|union|enum) (?P<name>\w+)'")


def declarations(text):
    """The top-level declarations, in order, as (text, names that it defines)."""
    depth, begin = 0, 0
    body = text[text.index("typedef"):text.rindex("#ifndef BPF_NO_PRESERVE")]
    for match in re.finditer(r"[{};]", body):
        depth += {"{": 1, "}": -1, ";": 0}[match[0]]
        if match[0] == ";" and depth == 0:
            one = body[begin:match.end()].strip()
            begin = match.end()
            yield one, names_of(one)


def names_of(declaration):
    head = re.match(r"(struct|union|enum)(?: (\w+))? {", declaration)
    names = set()
    if head and head[2]:
        names.add(f"{head[1]} {head[2]}")
    if head and head[1] == "enum":
        names.update(re.findall(r"^\t(\w+) =", declaration, re.M))
    if declaration.startswith("typedef"):
        flat = re.sub(r"{.*}", "", declaration, flags=re.S)
        function = re.search(r"\(\*+(\w+)\)\(", flat)
        plain = re.search(r"(\w+)(?:\[\w*\])*(?: __attribute__.*)?;$", flat)
        names.update(match[1] for match in (function or plain,) if match)
    return names


def header(kept):
    return "\n".join(["#ifndef __VMLINUX_H__", "#define __VMLINUX_H__", "",
                      "#pragma clang attribute push (__attribute__((preserve_access_index)), "
                      "apply_to = record)", "", "\n\n".join(kept), "",
                      "#pragma clang attribute pop", "", "#endif", ""])


def missing(clang, folder):
    """What the compiler does not find: names as names_of() gives them."""
    found = set()
    for source, macros in SOURCES:
        for arch in ARCHITECTURES:
            done = subprocess.run(
                [clang, "--target=bpf", "-mcpu=v3", "-O2", "-std=gnu11", "-fsyntax-only",
                 "-ferror-limit=0", f"-D__TARGET_ARCH_{arch}", *macros, f"-I{ROOT}/bpf",
                 f"-I{ROOT}/include", f"-I{folder}", "-idirafter",
                 "/usr/include/x86_64-linux-gnu", str(ROOT / source)],
                capture_output=True, text=True, check=False)
            before = len(found)
            for line in done.stderr.splitlines():
                for match in (MISSING.search(line), FORWARD.search(line)):
                    if match:
                        found.add(f"{match['kind']} {match['name']}" if match["kind"]
                                  else match["name"])
            if done.returncode != 0 and len(found) == before and not found:
                sys.exit(f"vmlinux: cannot tell what is missing:\n{done.stderr}")
    return found


def main():
    text = sys.stdin.read()
    comment = text[:text.index("#ifndef")]
    everything = list(declarations(text))
    owner = {}
    for number, (_, names) in enumerate(everything):
        for name in names:
            owner.setdefault(name, number)
    kept = set()
    with tempfile.TemporaryDirectory() as folder:
        while True:
            pathlib.Path(folder, "vmlinux.h").write_text(
                header(everything[number][0] for number in sorted(kept)))
            names = missing(sys.argv[1], folder)
            # An enumeration without values compiles, but the kernel refuses its BTF.
            named = {name for number in kept
                     for name in re.findall(r"\benum \w+", everything[number][0])}
            new = {owner[name] for name in names | named if name in owner} - kept
            if not new:
                break
            kept |= new
    if names:
        sys.exit(f"vmlinux: not in this kernel's BTF: {' '.join(sorted(names))}")
    sys.stdout.write(comment + header(everything[number][0] for number in sorted(kept)))


if __name__ == "__main__":
    main()
