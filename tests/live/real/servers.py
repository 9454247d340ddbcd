# SPDX-License-Identifier: Apache-2.0
"""Servers, as children of the test, in its namespace and in folders of their own."""

import grp
import json
import os
import pathlib
import pwd
import signal
from typing import NamedTuple

from lib.life import ANY, Who
from lib.run import PYTHON
from lib.patience import Stalled, ended, wait_for

from real import needs

WORKER = pwd.getpwnam("nobody")
LOOPBACK = {4: "127.0.0.1", 6: "::1"}


def endpoint(family, port):
    """As nginx, haproxy and URLs write it."""
    address = LOOPBACK[family]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def commands_of(run):
    """The children of a Run, without the one of tcpdwell's own program, which reads stacks."""
    own = os.readlink(f"/proc/{run.process.pid}/exe")
    return [pid for pid in children_of(run.process.pid) if os.readlink(f"/proc/{pid}/exe") != own]


def children_of(pid):
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        if int(fields[1]) == pid:
            found.append(int(stat.parent.name))
    return found


class Served(NamedTuple):
    """One connection, as its server logged it."""

    worker: Who
    received: int
    sent: int


class Server:
    """A program in the foreground; ready once its ports listen in both families."""

    comm = ""

    def __init__(self, netns, folder, command, ports):
        self.ports, self.workers = ports, []
        self._log = pathlib.Path(folder, "output")
        with self._log.open("wb") as log:
            self._process = netns.start(command, stdout=log, stderr=log)
        try:
            wait_for(lambda: self._listens(netns), f"{self.comm} to listen")
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self):
        return self._process.pid

    @property
    def pids(self):
        return [self.pid, *self.workers]

    def who(self, pid):
        return Who(pid, ANY, self.comm, 0 if pid == self.pid else WORKER.pw_uid)

    def output(self):
        return self._log.read_text(errors="replace")

    def stop(self):
        if self._process.poll() is None:
            self._process.terminate()
            try:
                ended(self._process)
            except Stalled:
                self._process.kill()
                self._process.wait()

    def _listens(self, netns):
        assert self._process.poll() is None, self.output()
        return all(netns.listens(port) for port in self.ports)


class Nginx(Server):
    """Two workers. `http` is the text of its http block; every visit is logged at its end."""

    comm = "nginx"
    WORKERS = 2

    def __init__(self, netns, folder, http, ports):
        self._access = pathlib.Path(folder, "access.log")
        config = pathlib.Path(folder, "nginx.conf")
        scratch = "".join(
            f"{kind}_temp_path {folder}/{kind};\n"
            for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        config.write_text(
            f"""
            daemon off;
            master_process on;
            worker_processes {self.WORKERS};
            user {WORKER.pw_name} {grp.getgrgid(WORKER.pw_gid).gr_name};
            pid {folder}/nginx.pid;
            error_log {folder}/error.log;
            events {{ worker_connections 512; }}
            http {{
              log_format visit "$pid $server_port $remote_port $request_length $bytes_sent";
              access_log {self._access} visit;
              {scratch}
              {http}
            }}
            """,
            encoding="ascii",
        )
        command = [needs.program("nginx"), "-p", folder, "-c", config, "-e", f"{folder}/error.log"]
        super().__init__(netns, folder, command, ports)
        try:
            self.workers = wait_for(self._all_workers, "nginx to have its workers")
        except BaseException:
            self.stop()
            raise

    def reload(self):
        """New workers take over; the old ones finish what they have."""
        before = children_of(self.pid)
        os.kill(self.pid, signal.SIGHUP)
        self.workers = self._workers_since(before, self.WORKERS)

    def lose_a_worker(self):
        """It is shot, with all its connections; the master starts another one."""
        before = children_of(self.pid)
        os.kill(self.workers.pop(0), signal.SIGKILL)
        self.workers += self._workers_since(before, 1)

    def _workers_since(self, before, number):
        def born():
            found = [child for child in children_of(self.pid) if child not in before]
            return found if len(found) == number else None

        return wait_for(born, f"nginx to have {number} new workers")

    def visit(self, server_port, client_port):
        """Which worker served this connection, and how many bytes it got and sent, by its log."""
        requests = wait_for(
            lambda: [line for line in self._visits() if line[1:3] == [server_port, client_port]],
            f"nginx to log a visit from port {client_port} to port {server_port}",
        )
        workers = {line[0] for line in requests}
        assert len(workers) == 1, f"one connection, but several workers: {requests}"
        received, sent = (sum(line[field] for line in requests) for field in (3, 4))
        return Served(self.who(workers.pop()), received, sent)

    def only_visitor(self, server_port):
        """The port of the one client that came to `server_port`."""
        ports = wait_for(
            lambda: {line[2] for line in self._visits() if line[1] == server_port},
            f"nginx to log a visit to port {server_port}",
        )
        assert len(ports) == 1, f"more than one client: {ports}"
        return ports.pop()

    def _visits(self):
        text = self._access.read_text(encoding="ascii")
        return [[int(field) for field in line.split()] for line in text.splitlines()]

    def _all_workers(self):
        children = children_of(self.pid)
        return children if len(children) == self.WORKERS else None


class Haproxy(Server):
    """One process, several threads. `proxies` are its frontends and backends."""

    comm = "haproxy"

    def __init__(self, netns, folder, proxies, ports):
        config = pathlib.Path(folder, "haproxy.cfg")
        config.write_text(
            f"""
global
  maxconn 64
  nbthread 2
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
{proxies}
""",
            encoding="ascii",
        )
        super().__init__(netns, folder, [needs.program("haproxy"), "-f", config, "-db"], ports)


class Service(Server):
    """The small HTTP service of service.py, with its bugs. It says what it does; see there."""

    def __init__(self, netns, folder, port, comm, in_line=False, redis=None):
        self.comm = comm
        program = pathlib.Path(__file__).with_name("service.py")
        settings = json.dumps({"comm": comm, "port": port, "in_line": in_line, "redis": redis})
        super().__init__(netns, folder, [PYTHON, "-E", "-s", program, settings], (port,))

    def said(self, **wanted):
        """The lines that have these values."""
        lines = map(json.loads, self.output().splitlines())
        return [line for line in lines if wanted.items() <= line.items()]


class Redis(Server):
    """Keeps nothing."""

    comm = "redis-server"

    def __init__(self, netns, folder, port):
        settings = {"port": port, "bind": " ".join(LOOPBACK.values()), "dir": folder,
                    "save": "", "appendonly": "no", "daemonize": "no"}
        config = pathlib.Path(folder, "redis.conf")
        lines = (f'{name} {value or chr(34) * 2}\n' for name, value in settings.items())
        config.write_text("".join(lines), encoding="ascii")
        super().__init__(netns, folder, [needs.program("redis-server"), config], (port,))
