# SPDX-License-Identifier: Apache-2.0
"""The timeline of one connection, each end as tcpstates and as tcpdwell show it."""
import json
import math
import sys

from svg import FAINT, PLAIN, WIDE, Svg

FILLS = {"ESTABLISHED": "#238636", "FIN_WAIT_2": "#9e6a03", "TIME_WAIT": "#1f6feb",
         "CLOSE_WAIT": "#a40e26"}
OTHER = "#6e7681"  # states of milliseconds
NAMES = {"SYN_RECV": "SYN_RECEIVED", "FIN_WAIT1": "FIN_WAIT_1", "FIN_WAIT2": "FIN_WAIT_2",
         "CLOSE": "CLOSED"}
LINES = 9  # without the client's first, which has no port
LEFT, TOP, LANE, GAP, SECOND, RIGHT = 120, 62, 30, 12, 8.6, 40


def of_tcpdwell(objects, port):
    """{client: [(state, seconds)]}: True for the end that connected."""
    ends = {}
    for line in objects.splitlines():
        item = json.loads(line)
        if item["type"] == "transition" and item["role"] != "listener" and item["dwell_ns"] is not None:
            ends.setdefault(item["remote"]["port"] == port, []).append(
                (item["from"], item["dwell_ns"] / 1e9))
    return ends


def client_port(objects, port):
    """The client's port, which identifies the connection."""
    items = map(json.loads, objects.splitlines())
    return next(item["local"]["port"] for item in items
                if item["type"] == "transition" and item["remote"]["port"] == port)


def of_one_connection(lines, ports):
    """The header, and the lines of tcpstates about this connection: it traces all namespaces, which
    may use the same ports. The client's first line has no port yet, so the socket address selects it."""
    mine = [line for line in lines if ports <= set(line.split())]
    if len(mine) != LINES:
        sys.exit(f"tcpstates has {len(mine)} lines of it, not {LINES}: it lost some, try again")
    before = lines[:lines.index(mine[0])]
    opening = next(line for line in reversed(before) if line.split()[0] == mine[0].split()[0])
    return "".join([lines[0], opening, *mine])


def of_tcpstates(lines, port):
    """The same. A child's first line has the listener's state and no time."""
    ends = {}
    for line in lines.splitlines()[1:]:
        *_, lport, _, rport, old, _, new, ms = line.split()
        old = NAMES.get(old, old)
        if rport != "0" and old not in ("CLOSED", "LISTEN"):
            ends.setdefault(int(rport) == port, []).append((old, float(ms) / 1e3))
    return ends


def seconds(value):
    """As in tcpdwell's text: rounded down."""
    if value >= 1:
        return f"{math.floor(value * 1e3) / 1e3:.3f} s"
    return f"{value * 1e3:.1f} ms" if value >= 1e-3 else f"{value * 1e6:.0f} us"


def lane(picture, y, name, states):
    """Draws the states; returns where it ends."""
    picture.text(LEFT - 10, y + LANE * 0.65, name, PLAIN, "end", bold=name == "tcpdwell")
    x = LEFT
    for state, length in states:
        width = max(length * SECOND, 2)
        picture.box(x, y, width, LANE, FILLS.get(state, OTHER))
        label = f"{state} {seconds(length)}"
        if width > len(label) * WIDE:
            picture.text(x + width / 2, y + LANE * 0.65, label, "#ffffff", "middle")
        elif width > len(state) * WIDE:
            picture.text(x + width / 2, y + LANE * 0.65, state, "#ffffff", "middle")
        x += width
    return x


def draw(tcpstates, objects, port):
    theirs, ours = of_tcpstates(tcpstates, port), of_tcpdwell(objects, port)
    longest = max(sum(length for _, length in states) for states in ours.values())
    width, end = LEFT + longest * SECOND + RIGHT, LEFT + longest * SECOND
    picture = Svg(width, TOP + 4 * (LANE + GAP) + 100, "One connection as tcpstates and as tcpdwell see it")
    picture.text(16, 26, "One connection: the client closes after 20 s, the server 20 s later",
                 bold=True)
    y = TOP
    for client, title in ((True, "the client's end"), (False, "the server's end")):
        picture.text(16, y + 4, title, FAINT)
        y += 14
        reached = lane(picture, y, "tcpstates", theirs[client])
        if client:
            last, length = theirs[client][-1]
            picture.text(reached + 8, y + LANE * 0.65, f"\u25c0 {last} {seconds(length)}, then CLOSED",
                         "#ff7b72")
            picture.box(reached + 300, y, end - reached - 300, LANE, OTHER, dashed=True)
            picture.text((reached + 300 + end) / 2, y + LANE * 0.65, "not seen", FAINT, "middle")
        y += LANE + GAP
        lane(picture, y, "tcpdwell", ours[client])
        y += LANE + GAP + 18
    picture.line(LEFT, y, end, y, FAINT)
    for tick in range(0, int(longest) + 1, 10):
        x = LEFT + tick * SECOND
        picture.line(x, y, x, y + 5, FAINT)
        picture.text(x, y + 20, f"{tick} s", FAINT, "middle")
    return str(picture)
