#!/usr/bin/env python3
"""Checks that each folder of user/ includes only the folders that it links (add_layer() in CMakeLists.txt).

    tools/check_layers.py [ROOT]

The same holds for libraries: libbpf and the skeletons, spdlog, fmt, CLI11. Prints a line for each
include that is not allowed, and then exits with 1.
"""
import pathlib
import re
import sys

# Library target: the include folders that it allows.
LIBRARIES = {
    "${TCPDWELL_HASH_MAP}": ["absl"],
    "${TCPDWELL_FMT}": ["fmt"],
    "${TCPDWELL_SPDLOG}": ["spdlog", "fmt"],
    "PkgConfig::LIBBPF": ["bpf", "skel"],
    "CLI11::CLI11": ["CLI"],
    "PkgConfig::LIBEVENT": ["event2"],
    "PROTOZERO": ["protozero"],
    "PkgConfig::LIBDW": ["elfutils"],
    "PROTOZERO": ["protozero"],
}
OUTSIDE = {name for names in LIBRARIES.values() for name in names}
WIRE = {"tcpdwell"}  # include/tcpdwell: shared by the kernel side and user space


def read_layers(text):
    layers = {}
    for folder, targets in re.findall(r"add_layer\(\s*(\w+)\s*([^)]*)\)", text):
        allowed = {folder} | WIRE
        for target in targets.split():
            allowed.update(LIBRARIES.get(target, [target.removeprefix("tcpdwell_")]))
        layers[folder] = allowed
    return layers


def check(root):
    user = root / "user"
    layers = read_layers((root / "CMakeLists.txt").read_text())
    bad = [f"user/{folder.name}: has no add_layer() in CMakeLists.txt"
           for folder in user.iterdir() if folder.name not in layers and any(folder.glob("*.*"))]
    known = set(layers) | OUTSIDE | WIRE
    for file in sorted(user.rglob("*")):
        folder = file.relative_to(user).parts[0]
        if file.suffix not in (".h", ".cpp") or folder not in layers:
            continue
        for number, line in enumerate(file.read_text().splitlines(), 1):
            include = re.match(r'#include ["<](\w+)/', line)
            if include and include[1] in known and include[1] not in layers[folder]:
                bad.append(f"{file.relative_to(root)}:{number}: {folder} does not link {include[1]}")
    return bad


def main():
    root = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).parents[1])
    bad = check(root)
    print("\n".join(bad), file=sys.stderr, end="\n" if bad else "")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
