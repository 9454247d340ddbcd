"""The kernel's list of TCP sockets, as ss(8) prints it, with the state names of tcpdwell."""
import subprocess
from typing import NamedTuple

STATES = {"LISTEN": "LISTEN", "SYN-SENT": "SYN_SENT", "SYN-RECV": "SYN_RECEIVED",
          "ESTAB": "ESTABLISHED", "FIN-WAIT-1": "FIN_WAIT_1", "FIN-WAIT-2": "FIN_WAIT_2",
          "CLOSE-WAIT": "CLOSE_WAIT", "LAST-ACK": "LAST_ACK", "CLOSING": "CLOSING",
          "TIME-WAIT": "TIME_WAIT"}


class Row(NamedTuple):
    state: str
    local: tuple
    remote: tuple
    unread: int  # Recv-Q: an unread FIN counts 1
    unsent: int  # Send-Q
    cookie: str
    inode: int = 0  # of its file; 0 if no process holds it


def endpoint(text):
    address, _, port = text.rpartition(":")
    address = address.partition("%")[0].strip("[]")
    address = "::" if address == "*" else address.removeprefix("::ffff:")
    return address, 0 if port == "*" else int(port)


def rows(netns, cookies=True, time_wait=True, mptcp=False):
    """All TCP or MPTCP sockets of one namespace. With `cookies` the kernel generates missing cookies."""
    command = ["ss", ("-ManHO" if mptcp else "-tanHO") + ("e" if cookies else "")]
    with netns.inside():
        done = subprocess.run(command if time_wait else [*command, "exclude", "time-wait"],
                              capture_output=True, text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        state, unread, unsent, local, remote, *more = line.split()
        known = dict(each.split(":", 1) for each in more if each.startswith(("sk:", "ino:")))
        found.append(Row(STATES[state], endpoint(local), endpoint(remote), int(unread),
                         int(unsent), known.get("sk", ""), int(known.get("ino", 0))))
    return found
