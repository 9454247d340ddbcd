#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A small service with every kind of trouble, in a network namespace of its own, traced live.

The namespace has no name: it is gone with the last process of the play.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import scenery

TRACER = os.environ.get("TCPDWELL_BIN") or f"{sys.path[0]}/../../build/tcpdwell"
SERVICE = ("127.0.0.1", 8080)
NOBODY = ("127.0.0.1", 8081)
BEAT = 0.4  # seconds; the tracer writes at least every 100 ms
FLAGS = ["--flag", "CLOSE_WAIT=2s"]  # a minute, unless asked otherwise


def say(*lines):
    bold, plain = ("\033[1m", "\033[0m") if colourful() else ("", "")
    print("", *(f"{bold}# {line}{plain}" for line in lines), sep="\n", flush=True)


def colourful():
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


# --- the service: the first word of a connection says what it does with it ------------------------


def service():
    listener = socket.create_server(SERVICE)
    forgotten = []
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=answer, args=(connection, forgotten), daemon=True).start()


def answer(connection, forgotten):
    word = connection.recv(64)
    if word == b"visit":  # answers and closes first
        connection.sendall(b"bye")
        connection.close()
        return
    while connection.recv(64):
        pass
    if word == b"hold":  # closes, but late
        time.sleep(3.5)
        connection.close()
    else:
        forgotten.append(connection)


# --- its clients, each from a port by which its lines are easily found ----------------------------


def client_at(port):
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    client.bind((SERVICE[0], port))
    return client


def refused():
    client_at(40001).connect(NOBODY)


def unanswered():
    client = client_at(40002)
    scenery.drop_what_arrives(client)
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_SYNCNT, 1)
    client.connect(SERVICE)


def leave():
    with client_at(40003) as client:
        client.connect(SERVICE)
        client.sendall(b"leave")


def hold():
    with client_at(40004) as client:
        client.connect(SERVICE)
        client.sendall(b"hold")
        client.shutdown(socket.SHUT_WR)
        client.recv(64)


def visit():
    with client_at(40005) as client:
        client.connect(SERVICE)
        client.sendall(b"visit")
        while client.recv(64):
            pass


# --- the play -------------------------------------------------------------------------------------


def play(cast):
    say("A service starts.")
    server = cast.enter("srv", service)
    time.sleep(BEAT)

    say("A client asks at a port where nobody listens, and is refused.")
    cast.enter("cli", refused)
    time.sleep(BEAT)

    say(
        "The answers get lost: SYN_SENT on this side, half-open on the service's. That one is no",
        "socket yet: its lines are written when it has ended, 3 seconds later.",
    )
    cast.enter("cli", unanswered)
    time.sleep(BEAT)

    say(
        "The service forgets to close: its socket stays in CLOSE_WAIT. The client has closed, and",
        "so its FIN_WAIT_2 is an orphan: no process has it, and the kernel will end it.",
    )
    cast.enter("cli", leave)
    time.sleep(BEAT)

    say("A client shuts down its side and keeps the socket: no timeout ends this FIN_WAIT_2.")
    cast.enter("cli", hold)
    time.sleep(BEAT)

    say("The service closes first, so TIME_WAIT is on its side, for 60 seconds or more.")
    cast.enter("cli", visit)
    time.sleep(BEAT)

    say(
        "Now nobody connects. The kernel ends two of them, and in the end the service closes one.",
        "What is in CLOSE_WAIT for more than 2 seconds is flagged: whose, and what is left undone.",
    )
    time.sleep(3.2)

    say("`tcpdwell leaks` needs no trace: what is stuck now, also if it is older than tcpdwell.")
    subprocess.run([TRACER, "leaks", "--netns", "self", *FLAGS], check=False)  # 1: it found some
    time.sleep(BEAT)

    say("The client comes back from the same port: its SYN recycles the TIME_WAIT.")
    cast.enter("cli", visit)
    time.sleep(BEAT)

    say("The service is stopped. Only now does its forgotten socket leave CLOSE_WAIT: cleared.")
    cast.leave(server)
    time.sleep(BEAT)


def closing_words():
    say(
        "A tool that prints the tracepoint sock:inet_sock_set_state, as tcpstates does, says CLOSE",
        "where TIME_WAIT or an orphan's FIN_WAIT_2 begins, and nothing of them from there on. Of",
        "the half-open connection it says nothing at all. And for what a packet does it names",
        "whatever process the packet interrupted, which need not be the one that has the socket.",
    )


def main():
    scenery.own_network()
    # What takes a minute elsewhere takes seconds here.
    scenery.sysctl("tcp_fin_timeout", 2)
    scenery.sysctl("tcp_synack_retries", 1)
    scenery.sysctl("tcp_syn_linear_timeouts", 0)
    with scenery.Cast() as cast, scenery.tracing([TRACER, "trace", "--netns", "self", *FLAGS]):
        play(cast)
    closing_words()


if __name__ == "__main__":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        main()
    except (KeyboardInterrupt, BrokenPipeError):
        os._exit(130)  # stdout may be closed; there is nothing left to flush
