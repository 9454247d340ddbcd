"""Leaks sockets from code that is compiled anew each time: the line that connects is 2 more than the last digit of the port."""
import socket
import time

from known import be_known

print("ready", flush=True)
be_known()
PORT, KINDS, COUNT = 7000, 5, 20
RULE = """leaked.append(socket.socket())
leaked[-1].connect(("127.0.0.1", port))
listeners[kind].accept()[0].close()
leaked[-1].recv(1)
"""
leaked, listeners = [], [socket.create_server(("127.0.0.1", PORT + kind)) for kind in range(KINDS)]
for number in range(COUNT):
    kind = number % KINDS
    exec(compile("\n" * kind + RULE, "rule.py", "exec"),
         {"socket": socket, "port": PORT + kind, "kind": kind, "listeners": listeners, "leaked": leaked})
    time.sleep(0.05)
time.sleep(1000)
