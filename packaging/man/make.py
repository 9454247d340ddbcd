#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Writes the man pages.

    packaging/man/make.py TCPDWELL DIRECTORY

Commands from the help texts of this TCPDWELL, so that no option can be missing; the formats from docs/.
Runs scdoc, and prints the names of the pages.
"""
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from markdown import body_of, escaped, first_sentence  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
# Page: its document, and one line about it.
DOCUMENTS = {
    "tcpdwell-json.5": ("docs/json.md", "the JSON objects of tcpdwell"),
    "tcpdwell-metrics.7": ("docs/metrics.md", "the metrics of tcpdwell for Prometheus"),
    "tcpdwell-stuck-sockets.7": ("docs/stuck-sockets.md", "sockets that leak or stall, and why"),
    "tcpdwell.toml.5": ("packaging/man/tcpdwell.toml.md", "defaults of the options of tcpdwell"),
}
STATUSES = [("0", "Done."), ("1", "*leaks* and *run* found a leak."),
            ("2", "Usage or environment: one line on standard error says what to do. Of *run*: 125; 126 "
                  "and 127 if its command cannot be run."),
            ("3", "With *--strict*: an event was lost.")]


def help_of(binary, *command):
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "80"}
    return subprocess.run([binary, *command, "--help"], check=True, capture_output=True, text=True,
                          env=environment).stdout


def commands_of(text):
    section = text.split("\nCommands:\n", 1)[1].split("\n\n", 1)[0]
    return [name for name in re.findall(r"^  (\w[\w-]*)  ", section, re.M) if name != "help"]


class Help:
    """A help text in parts: usage, description, {title: [(name, text)]}, examples, notes."""

    def __init__(self, text):
        blocks = text.rstrip("\n").split("\n\n")
        self.usage = blocks[0].removeprefix("Usage: ").split("\n")[0]
        self.description = " ".join(blocks[1].split())
        self.sections, self.notes = {}, []
        for block in blocks[2:]:
            title, _, rest = block.partition("\n")
            if title.endswith(":") and rest.startswith("  "):
                self.sections[title[:-1]] = entries_of(rest)
            else:
                self.notes.append(" ".join(block.split()))
        self.examples = self.sections.pop("Examples", [])


def entries_of(block):
    """[("-d, --duration D", "End after D")]; the text begins in a later column, or on the next line."""
    entries = []
    for line in block.splitlines():
        if re.match(r"  \S", line):
            name, _, text = line.strip().partition("  ")
            entries.append([name, text.strip()])
        else:
            entries[-1][1] = f"{entries[-1][1]} {line.strip()}".strip()
    return entries


def option_name(name):
    """Bold, with the value in italics (which man pages show underlined)."""
    parts = []
    for part in name.split(", "):
        word, _, value = part.partition(" ")
        parts.append(f"*{escaped(word)}*" + (f" _{escaped(value)}_" if value else ""))
    return ", ".join(parts)


def command_page(page, help_text, names):
    lines = [f"{page}(1)", "", "# NAME", "",
             f"{page} - {escaped(first_sentence(help_text.description))}", "", "# SYNOPSIS", "",
             f"*{escaped(help_text.usage.split(' ')[0])}* {escaped(help_text.usage.partition(' ')[2])}", "",
             "# DESCRIPTION", "", escaped(help_text.description), ""]
    for title, entries in help_text.sections.items():
        lines += [f"# {escaped(title.upper())}", ""]
        for name, text in entries:
            lines += [option_name(name), f"\t{escaped(text)}", ""]
    for note in help_text.notes:
        lines += [escaped(note), ""]
    lines += ["# EXIT STATUS", ""]
    for status, text in STATUSES:
        lines += [f"*{status}*", f"\t{text}", ""]
    if help_text.examples:
        lines += ["# EXAMPLES", ""]
        for line, text in help_text.examples:
            lines += [f"*{escaped(line)}*", f"\t{escaped(text)}", ""]
    others = [name for name in names if name != page]
    lines += ["# SEE ALSO", "", ", ".join(f"*{escaped(name)}*(1)" for name in others) + ", " +
              ", ".join(f"*{escaped(name[:-2])}*({name[-1]})" for name in DOCUMENTS), ""]
    return "\n".join(lines)


def document_page(page, path, about):
    name, section = page[:-2], page[-1]
    body = body_of((ROOT / path).read_text(encoding="utf-8"))
    return f"{name}({section})\n\n# NAME\n\n{name} - {escaped(about)}\n\n{body}\n"


def write(directory, page, text):
    environment = {**os.environ, "SOURCE_DATE_EPOCH": os.environ.get("SOURCE_DATE_EPOCH", "0")}
    done = subprocess.run(["scdoc"], input=text, capture_output=True, text=True, env=environment,
                          check=False)
    if done.returncode != 0:
        (directory / f"{page}.scd").write_text(text, encoding="utf-8")
        sys.exit(f"{directory}/{page}.scd: {done.stderr.strip()}")
    (directory / page).write_text(done.stdout, encoding="utf-8")
    print(page)


def main():
    binary, directory = sys.argv[1], pathlib.Path(sys.argv[2])
    directory.mkdir(parents=True, exist_ok=True)
    top = help_of(binary)
    commands = commands_of(top)
    names = ["tcpdwell", *(f"tcpdwell-{command}" for command in commands)]
    write(directory, "tcpdwell.1", command_page("tcpdwell", Help(top), names))
    for command in commands:
        page = f"tcpdwell-{command}"
        write(directory, f"{page}.1", command_page(page, Help(help_of(binary, command)), names))
    for page, (path, about) in DOCUMENTS.items():
        write(directory, page, document_page(page, path, about))


if __name__ == "__main__":
    main()
