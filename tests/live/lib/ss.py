"""The kernel's own list of TCP sockets, as ss(8) prints it, in the words of the contract."""
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
    unread: int  # Recv-Q: a FIN that was not fetched counts 1
    unsent: int  # Send-Q
    cookie: str


def endpoint(text):
    address, _, port = text.rpartition(":")
    address = address.partition("%")[0].strip("[]")
    address = "::" if address == "*" else address.removeprefix("::ffff:")
    return address, 0 if port == "*" else int(port)


def rows(netns, cookies=True):
    """All of one namespace. Asked for cookies, the kernel makes those that it has not made yet."""
    with netns.inside():
        done = subprocess.run(["ss", "-tanHO" + ("e" if cookies else "")], capture_output=True,
                              text=True, check=True)
    found = []
    for line in done.stdout.splitlines():
        state, unread, unsent, local, remote, *more = line.split()
        cookie = next((each[3:] for each in more if each.startswith("sk:")), "")
        found.append(Row(STATES[state], endpoint(local), endpoint(remote), int(unread),
                         int(unsent), cookie))
    return found
