#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes docs/questions.md and docs/pictures/side-by-side.svg from real output.

    sudo tools/pictures/questions.py [TCPDWELL]

plays the programs below in a network namespace of its own, and runs each command of questions.txt at
a terminal of 80 columns. It takes a minute and a half. tcpstates and tcplife are those of
libbpf-tools.
"""
import fcntl
import os
import pathlib
import pty
import re
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import termios
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/demo"))
import scenery  # noqa: E402

import scenes  # noqa: E402
import svg  # noqa: E402

COLUMNS, ROWS = 80, 500  # so many rows that the header is not repeated
SO_DETACH_FILTER = 27
API, SLOW, CHAT, LEAKS_AFTER_S = 8080, 9090, 6667, 12
OVERWRITTEN = re.compile(r"[^\n]*\x1b\[K")


def api():
    """Closes first, as many HTTP servers do: it collects the TIME_WAITs."""
    with scenes.listen(API, 128) as listener:
        while True:
            with listener.accept()[0] as connection:
                connection.recv(4096)
                connection.sendall(b"200 OK")


def frontend():
    """Some forty requests a second."""
    while True:
        with socket.create_connection((scenes.HERE, API)) as connection:
            connection.sendall(b"GET /")
            while connection.recv(4096):
                pass
        time.sleep(0.025)


def late():
    """Sees the first SYN of each client only after a second, as behind a firewall that drops it."""
    with scenes.listen(SLOW) as listener:
        while True:
            scenery.drop_what_arrives(listener)
            time.sleep(0.5)
            listener.setsockopt(socket.SOL_SOCKET, SO_DETACH_FILTER, 0)
            listener.accept()[0].close()


def patient():
    while True:
        time.sleep(0.3)
        socket.create_connection((scenes.HERE, SLOW)).close()


def chat():
    """Connections that stay open without a word."""
    with scenes.listen(CHAT) as listener:
        mine, theirs = [], []
        for _ in range(2):
            mine.append(socket.create_connection((scenes.HERE, CHAT)))
            theirs.append(listener.accept()[0])
        signal.pause()


CAST = {**scenes.STUCK, "api": api, "late": late}
CLIENTS = {**scenes.THEIR_CLIENTS, "frontend": frontend, "patient": patient, "chat": chat}


def at_terminal(command, folder):
    """What `command` leaves on a terminal of COLUMNS, run by a shell, and its exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        for name in ("COLUMNS", "LINES"):
            os.environ.pop(name, None)
        os.execvp("bash", ["bash", "-c", command])
    printed = b""
    while True:
        try:
            part = os.read(terminal, 65536)
        except OSError:  # EIO: it has ended
            break
        if not part:
            break
        printed += part
    os.close(terminal)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    return printed.decode(errors="replace").replace("\r\n", "\n"), status


def shortened(text, most):
    lines = OVERWRITTEN.sub("", svg.ESCAPE.sub("", text)).replace("\r", "").rstrip("\n").split("\n")
    if len(lines) > most:
        left = len(lines) - most
        lines = lines[:most] + [f"[{left} more line{'s' if left > 1 else ''}]"]
    return "\n".join(line.rstrip() for line in lines)


def answers(template, tcpdwell, folder):
    """`template` with the output below each line that begins with "$ "; "$N " keeps N lines."""
    for line in template.splitlines():
        command = re.match(r"\$(\d*) (.*)", line)
        if not command:
            yield line
            continue
        typed = command[2]
        print(f"questions.py: {typed}", flush=True)
        printed, status = at_terminal(re.sub(r"\btcpdwell(?= )", shlex.quote(tcpdwell), typed), folder)
        yield f"$ {typed}"
        printed = printed.replace(tcpdwell, "tcpdwell")
        kept = shortened(printed, int(command[1] or 24))
        if kept:
            yield kept
        if status not in (0, 1):
            sys.exit(f"questions.py: `{typed}` ended with {status}: {printed}")
        if status == 1:
            yield "$ echo $?\n1"


def make_questions(tcpdwell):
    template = (pathlib.Path(__file__).parent / "questions.txt").read_text(encoding="utf-8")
    with scenery.Cast() as cast, tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "test_shop.py").write_text(
            "import socket, time\n"
            f"forgotten = socket.create_connection(('127.0.0.1', {scenes.ORDERS}))\n"
            f"shop = socket.create_connection(('127.0.0.1', {API}))\n"
            "shop.sendall(b'GET /')\n"
            "while shop.recv(4096): pass\n"
            "time.sleep(1.5)\n"
            "print('all tests passed')\n", encoding="utf-8")
        for name, act in CAST.items():
            cast.enter(name, act)
        time.sleep(1)
        for name, act in CLIENTS.items():
            cast.enter(name, act)
        time.sleep(LEAKS_AFTER_S)
        text = "\n".join(answers(template, tcpdwell, folder)) + "\n"
    (ROOT / "docs/questions.md").write_text(text, encoding="utf-8")


def side_by_side(tcpdwell):
    """One connection whose server closes late, as ss, tcpstates, tcplife and tcpdwell show it."""
    tools = {"tcpstates": ["tcpstates"], "tcplife": ["tcplife"],
             "tcpdwell": [tcpdwell, "--netns", "self", "--no-flags", "--color", "always"]}
    with tempfile.TemporaryDirectory() as folder, scenery.Cast() as cast:
        files = {name: pathlib.Path(folder, name) for name in tools}
        running = []
        for name, command in tools.items():
            with open(files[name], "wb") as out:
                running.append(subprocess.Popen(["stdbuf", "-oL", *command], stdout=out,
                                                stderr=subprocess.DEVNULL))
        time.sleep(6)  # none of the others has a signal of readiness
        cast.enter("shop", late_server)
        time.sleep(0.5)
        cast.enter("browser", short_client)
        time.sleep(3)
        ss = subprocess.run(["ss", "-tano"], stdout=subprocess.PIPE, text=True, check=True).stdout
        time.sleep(68)  # the TIME_WAIT
        for each in running:
            each.send_signal(signal.SIGINT)
            each.wait()
        printed = {name: file.read_text(encoding="utf-8", errors="replace")
                   for name, file in files.items()}
    port = f"{scenes.SHOP}"
    head = "\x1b[1m"
    text = svg.ESCAPE.sub("", ss)
    parts = [text]
    for name, command in (("tcpstates", "sudo tcpstates"), ("tcplife", "sudo tcplife"),
                          ("tcpdwell", "sudo tcpdwell")):
        lines = printed[name].splitlines()
        kept = [line for at, line in enumerate(lines) if at == 0 or port in line]
        parts.append(f"{head}$ {command}\x1b[0m\n" + "\n".join(kept))
    picture = svg.terminal("ss -tano      # three seconds after the client closed", "\n\n".join(parts),
                           columns=130)
    (ROOT / "docs/pictures/side-by-side.svg").write_text(picture, encoding="utf-8")
    (ROOT / "docs/pictures/side-by-side.txt").write_text(
        svg.ESCAPE.sub("", "\n\n".join(["$ ss -tano\n" + parts[0], *parts[1:]])) + "\n",
        encoding="utf-8")


def late_server():
    with scenes.listen(scenes.SHOP) as listener, listener.accept()[0] as connection:
        while connection.recv(4096):
            pass
        time.sleep(5)


def short_client():
    with socket.create_connection((scenes.HERE, scenes.SHOP)) as connection:
        connection.sendall(b"GET /")


def main():
    arguments = sys.argv[1:]
    only_picture = "--only-picture" in arguments and not arguments.remove("--only-picture")
    tcpdwell = os.path.abspath(arguments[0] if arguments else ROOT / "build/tcpdwell")
    scenery.own_network()
    if not only_picture:
        make_questions(tcpdwell)
        scenery.own_network()
    side_by_side(tcpdwell)


if __name__ == "__main__":
    main()
