#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the reports of docs/gallery/ from real traffic, and their pictures.

    sudo tools/pictures/reports.py [TCPDWELL]

plays three incidents, each in a network namespace of its own, recorded by TCPDWELL
(build/tcpdwell): a service that leaks, a client that runs out of ports, and nginx with three values of
keepalive_timeout. It takes two minutes. Debian's chromium takes the pictures.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/field"), str(ROOT / "tests/live")]

from support.browser import Browser  # noqa: E402

GALLERY = ROOT / "docs/gallery"
ACTS = pathlib.Path(__file__).parent / "incidents.py"
# Name of the act: options of the tracer.
INCIDENTS = {
    "leak": ["--flag", "CLOSE_WAIT=10s", "--where=short"],
    "ports": [],
    "nginx": [],
}


def record(tcpdwell, folder, name, options):
    """Begins to play an incident; returns its process and the recording."""
    recording = folder / f"{name}.tdw"
    script = f"""
ip link set lo up
exec {sys.executable} {ACTS} {name} {tcpdwell} {recording} {' '.join(options)}
"""
    return subprocess.Popen(["unshare", "--net", "sh", "-c", script]), recording


PICTURES = [("", 1280, False), ("-dark", 1280, True), ("-phone", 390, False)]
# Of the first, each width in both.
ALL_PICTURES = [*PICTURES, ("-phone-dark", 390, True), ("-wide", 2560, False),
                ("-wide-dark", 2560, True)]


def picture(folder, page, target, width, height, dark):
    subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         f"--user-data-dir={folder}/chromium", f"--window-size={width},{height}",
         *(["--blink-settings=preferredColorScheme=0"] if dark else []),
         "--virtual-time-budget=3000", f"--screenshot={target}", f"file://{page}"],
        check=True, stderr=subprocess.DEVNULL)


def pictures(folder, name):
    for suffix, width, dark in ALL_PICTURES if name == next(iter(INCIDENTS)) else PICTURES:
        picture(folder, f"{GALLERY}/{name}.html", GALLERY / f"{name}{suffix}.png", width, 1200, dark)


def forecast(tcpdwell, folder, recording):
    """The ports of the first 20 seconds: what a report would have said then."""
    page = folder / "forecast.html"
    subprocess.run([tcpdwell, "report", recording, "--until", "+20s", "-o", page, "-q"], check=True)
    with Browser() as browser:
        browser.open(page)
        box = browser.run("(() => { const b = document.querySelector('#ports .card')"
                          ".getBoundingClientRect(); return [b.x, b.y + scrollY, b.width, b.height]; })()")
        browser.picture(GALLERY / "ports-forecast.png", dict(zip(("x", "y", "width", "height"), box)))


def main():
    tcpdwell = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build/tcpdwell")
    GALLERY.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        plays = {name: record(tcpdwell, folder, name, options)
                 for name, options in INCIDENTS.items()}
        for name, (play, recording) in plays.items():
            if play.wait() != 0:
                sys.exit(f"reports.py: {name} ended with {play.returncode}")
            report = GALLERY / f"{name}.html"
            subprocess.run([tcpdwell, "report", recording, "-o", report, "--mode", "0644"],
                           check=True)
            pictures(folder, name)
            if name == "ports":
                forecast(tcpdwell, folder, recording)
            kept = os.environ.get("KEEP_RECORDINGS")
            if kept:
                recording.rename(pathlib.Path(kept) / recording.name)


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s")
