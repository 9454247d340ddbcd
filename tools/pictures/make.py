#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of the README from real output: docs/pictures/*.svg.

    sudo tools/pictures/make.py [TCPDWELL]

runs the tests of pool/, which leak, and plays scenes.py in a network namespace of its own, traced by TCPDWELL (build/tcpdwell) and by
tcpstates of libbpf-tools. It takes three minutes: the defaults flag after one, and TIME_WAIT lasts
another. The output of the tools is kept as *.txt.
"""
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/demo"))
import scenery  # noqa: E402

import scenes  # noqa: E402
import svg  # noqa: E402
import timeline  # noqa: E402

PICTURES = ROOT / "docs/pictures"
FLAGGED_S, TIME_WAIT_S = 62, 66


def wait_for(condition, what, seconds=60):
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            sys.exit(f"make.py: waited for {what}")
        time.sleep(0.05)


def listening(port):
    """True if there is a listener of that port in this namespace."""
    with open("/proc/self/net/tcp", encoding="ascii") as file:
        rows = [line.split() for line in file][1:]
    return any(row[3] == "0A" and int(row[1].rpartition(":")[2], 16) == port for row in rows)


def stuck(cast, tcpdwell):
    for name, act in scenes.STUCK.items():
        cast.enter(name, act)
    for port in (scenes.ORDERS, scenes.GATEWAY, scenes.DATABASE):
        wait_for(lambda port=port: listening(port), f"a listener of port {port}")
    for name, act in scenes.THEIR_CLIENTS.items():
        cast.enter(name, act)
    time.sleep(FLAGGED_S)
    done = subprocess.run([tcpdwell, "leaks", "--where", "--netns", "self", "--color", "always"],
                          stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode != 1:
        sys.exit(f"make.py: leaks ended with {done.returncode}")
    (PICTURES / "leaks.txt").write_text(svg.ESCAPE.sub("", done.stdout), encoding="utf-8")
    return done.stdout


def leaky_tests(tcpdwell):
    """What `run` says of tests that pass. Both write to the terminal."""
    done = subprocess.run(
        [tcpdwell, "run", "--color", "always", "--", sys.executable, "-m", "pytest", "-q",
         "-p", "no:cacheprovider", "test_orders.py"],
        cwd=ROOT / "tools/pictures/pool", env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 1:
        sys.exit(f"make.py: run ended with {done.returncode}:\n{done.stdout}")
    (PICTURES / "run.txt").write_text(svg.ESCAPE.sub("", done.stdout), encoding="utf-8")
    return done.stdout


def one_connection(cast, tcpdwell):
    """The output of tcpstates and tcpdwell about it, traced at the same time."""
    with tempfile.TemporaryDirectory() as scratch:
        ready, theirs = pathlib.Path(scratch, "ready"), pathlib.Path(scratch, "tcpstates")
        command = [tcpdwell, "--port", str(scenes.SHOP), "--netns", "self"]
        with open(theirs, "wb") as out, \
                subprocess.Popen(["stdbuf", "-oL", "tcpstates"], stdout=out) as other, \
                subprocess.Popen([*command, "--json", "--ready-file", ready],
                                 stdout=subprocess.PIPE, text=True) as ours, \
                subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as text:
            wait_for(lambda: ready.exists() and theirs.stat().st_size, "the tracers")
            time.sleep(2)  # tcpstates and the text trace have no ready file
            server = cast.enter("shop", scenes.slow_server)
            wait_for(lambda: listening(scenes.SHOP), "the server")
            cast.enter("browser", scenes.client)
            time.sleep(scenes.OPEN_S + scenes.LATE_S + TIME_WAIT_S)
            cast.leave(server)
            for process in (other, ours, text):
                process.terminate()
            objects, printed = ours.stdout.read(), text.stdout.read()
        lines = theirs.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)
    client = timeline.client_port(objects, scenes.SHOP)
    kept = timeline.of_one_connection(lines, {str(client), str(scenes.SHOP)})
    (PICTURES / "tcpstates.txt").write_text(kept, encoding="utf-8")
    (PICTURES / "tcpdwell.txt").write_text(printed, encoding="utf-8")
    return kept, objects


def main():
    tcpdwell = sys.argv[1] if len(sys.argv) > 1 else str(ROOT / "build/tcpdwell")
    PICTURES.mkdir(exist_ok=True)
    scenery.own_network()
    with scenery.Cast() as cast:
        said = stuck(cast, tcpdwell)
        (PICTURES / "leaks.svg").write_text(svg.terminal("sudo tcpdwell leaks --where", said),
                                            encoding="utf-8")
    (PICTURES / "run.svg").write_text(
        svg.terminal("sudo tcpdwell run -- pytest -q test_orders.py", leaky_tests(tcpdwell)),
        encoding="utf-8")
    with scenery.Cast() as cast:
        picture = timeline.draw(*one_connection(cast, tcpdwell), scenes.SHOP)
        (PICTURES / "timeline.svg").write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
