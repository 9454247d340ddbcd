# SPDX-License-Identifier: Apache-2.0
"""The man pages: every option, no complaint of man, the same bytes each time."""
import re
import subprocess
import sys

import pytest

from conftest import BINARY, ROOT

MAKE = ROOT / "packaging/man/make.py"
FORMATS = {"tcpdwell-json.5", "tcpdwell-metrics.7", "tcpdwell-stuck-sockets.7", "tcpdwell.toml.5"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    directory = tmp_path_factory.mktemp("man")
    subprocess.run([sys.executable, MAKE, BINARY, directory], check=True, capture_output=True)
    return directory


def text_of(page):
    done = subprocess.run(["man", "--warnings", "-E", "UTF-8", "-l", page], capture_output=True, text=True, check=True,
                          env={"PATH": "/usr/bin:/bin", "MANWIDTH": "100", "LC_ALL": "C.UTF-8", "MAN_KEEP_FORMATTING": ""})
    assert not done.stderr, f"{page}: {done.stderr}"
    return re.sub(r".\x08", "", done.stdout)


def test_each_command_and_format_has_a_page(pages, commands):
    wanted = {"tcpdwell.1", *FORMATS} | {f"tcpdwell-{name}.1" for name in commands if name != "help"}
    assert {page.name for page in pages.iterdir()} == wanted


def test_every_option_is_in_the_page_of_its_command(pages, commands, options_of):
    for command in commands:
        if command == "help":
            continue
        text = text_of(pages / f"tcpdwell-{command}.1")
        shown = set(re.findall(r"^ +(?:-\w, )?(--[\w-]+)", text, re.M))
        assert options_of(command) - shown == set(), command


@pytest.mark.parametrize("page", sorted(FORMATS))
def test_format_pages_are_whole(pages, page):
    text = text_of(pages / page)
    assert "NAME" in text and len(text.splitlines()) > 30 - 10 * (page == "tcpdwell.toml.5")
    prose = "\n".join(line for line in text.splitlines() if not line.startswith(" " * 11))  # no code
    assert not re.search(r"\]\(|`|\*\*|^\s*\|", prose, re.M), "no Markdown is left"


def test_pages_are_reproducible(pages, tmp_path):
    subprocess.run([sys.executable, MAKE, BINARY, tmp_path], check=True, capture_output=True)
    for page in pages.iterdir():
        assert page.read_bytes() == (tmp_path / page.name).read_bytes()
