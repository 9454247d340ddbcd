# SPDX-License-Identifier: Apache-2.0
"""The incidents of reports.py: python3 incidents.py ACT TCPDWELL RECORDING [OPTIONS of trace]

Runs in a network namespace of its own. Every process is a child of this one and ends with it.
"""
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

SECONDS = 75
HOST = "127.0.0.1"
children = []


def child(comm, act, *arguments):
    """Runs act(*arguments) in a process of that name."""
    pid = os.fork()
    if pid == 0:
        pathlib.Path("/proc/self/comm").write_text(comm, encoding="ascii")
        try:
            act(*arguments)
        finally:
            os._exit(0)
    children.append(pid)


def threads(act, count, *arguments):
    for _ in range(count):
        threading.Thread(target=act, args=arguments, daemon=True).start()
    while True:
        time.sleep(60)


def connect(port):
    while True:
        try:
            return socket.create_connection((HOST, port), timeout=5)
        except (ConnectionRefusedError, TimeoutError):
            time.sleep(0.1)


# --- a service that leaks --------------------------------------------------------------------------

forgotten = []


def pay(connection):
    """Talks to the payment gateway; a declined card is an exception that nobody expects."""
    if random.random() < 0.2:
        forgotten.append(connection)  # a reference that a log record keeps
        raise ValueError("declined")


def handle(connection):
    with_answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    connection.recv(4096)
    try:
        pay(connection)
        time.sleep(random.expovariate(20))
        connection.sendall(with_answer)
        connection.close()
    except ValueError:
        wait_for_another_card(connection)


def wait_for_another_card(connection):
    """The client may try again on this connection. If it leaves, nobody closes it here."""
    while connection.recv(4096):
        pass


def orders(port):
    listener = socket.create_server((HOST, port), backlog=128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=handle, args=(connection,), daemon=True).start()


def order(port):
    while True:
        time.sleep(random.expovariate(0.4))
        with connect(port) as connection:
            connection.settimeout(0.5)
            try:
                connection.sendall(b"POST /order HTTP/1.1\r\n\r\n")
                connection.recv(4096)
            except OSError:
                pass


def leak():
    child("orders", orders, 8080)
    time.sleep(0.3)
    child("checkout", threads, order, 12, 8080)


# --- a client that runs out of ports ------------------------------------------------------------------


def backend(port):
    def serve(connection):
        with connection:
            connection.recv(4096)
            connection.sendall(b"pong")
            connection.recv(1)  # the client closes first

    listener = socket.create_server((HOST, port), backlog=128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection,), daemon=True).start()


def poll(port):
    while True:
        time.sleep(random.expovariate(7))
        try:
            with socket.create_connection((HOST, port), timeout=5) as connection:
                connection.sendall(b"ping")
                connection.recv(4096)
        except OSError:
            continue


def few_ports():
    """Before the tracer begins, which reads them only now and then."""
    ipv4 = pathlib.Path("/proc/sys/net/ipv4")
    (ipv4 / "ip_local_port_range").write_text("32768 33767", encoding="ascii")
    (ipv4 / "tcp_tw_reuse").write_text("0", encoding="ascii")


def ports():
    child("redis-like", backend, 6379)
    time.sleep(0.3)
    child("poller", threads, poll, 4, 6379)


# --- nginx with keepalive_timeout 0, 5 and 75 ----------------------------------------------------------

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_timeout {keepalive};
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{ listen {host}:{port}; location / {{ return 200 "hello"; }} }}
}}
"""


def nginx_server(keepalive, port):
    folder = tempfile.mkdtemp()
    config = pathlib.Path(folder) / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, keepalive=keepalive, host=HOST, port=port),
                      encoding="ascii")
    program = os.path.join(folder, f"nginx-{keepalive}")  # its name in the report
    os.symlink(shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), program)
    os.execv(program, [program, "-p", folder, "-c", str(config)])


def browse(port):
    """A browser: some requests on one connection, then idle for up to 20 s, then it leaves."""
    while True:
        with connect(port) as connection:
            for _ in range(random.randint(1, 4)):
                connection.sendall(b"GET / HTTP/1.1\r\nHost: gallery\r\n\r\n")
                if b"Connection: close" in connection.recv(4096):
                    break
                time.sleep(random.expovariate(2))
            connection.settimeout(random.uniform(1, 20))
            try:
                connection.recv(1)  # the server may close first
            except TimeoutError:
                pass
        time.sleep(random.expovariate(1))


def nginx():
    for keepalive, port in ((0, 8000), (5, 8005), (75, 8075)):
        child("nginx", nginx_server, keepalive, port)
    time.sleep(0.5)
    for keepalive, port in ((0, 8000), (5, 8005), (75, 8075)):
        child(f"browser-{keepalive}", threads, browse, 12, port)


def main():
    name, tcpdwell, recording, *options = sys.argv[1:]
    random.seed(name)
    ready = recording + ".ready"
    if name == "ports":
        few_ports()
    tracer = subprocess.Popen([tcpdwell, "trace", "--netns", "self", "--record", recording,
                               "--ready-file", ready, "-d", f"{SECONDS}s", "-q", "--only", "flag",
                               "-o", "/dev/null", *options])
    while not os.path.exists(ready):
        if tracer.poll() is not None:
            sys.exit(tracer.returncode)
        time.sleep(0.05)
    {"leak": leak, "ports": ports, "nginx": nginx}[name]()
    try:
        sys.exit(tracer.wait())
    finally:
        for pid in children:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__":
    main()
