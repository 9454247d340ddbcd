"""Loads that must not make a tracer grow."""
import os
import random
import socket
import subprocess

from lib.child import Child
from lib.netns import Netns, ip_batch, sysctl
from lib.packet import tcp_packet
from whole.traffic import CHURN

HERE, NOWHERE, NOBODY = "10.8.0.1", "10.8.0.99", "02:00:00:00:00:99"
PORT = 7  # of all; nobody else uses it


def connections(number):
    """Short ones, in a namespace that goes afterwards."""
    def job(_):
        Netns.create()
        subprocess.run([CHURN, "--port", str(PORT), "--connections", str(number)], check=True,
                       stdout=subprocess.DEVNULL)
    Child(job).result()


def syns(number):
    """Half-open requests from addresses that never answer."""
    def job(_):
        Netns.create()
        for scope in ("all", "default"):
            sysctl(f"ipv4.conf.{scope}.rp_filter", 0)
        sysctl("ipv4.tcp_syncookies", 0)
        sysctl("ipv4.tcp_max_syn_backlog", 1 << 16)
        sysctl("core.somaxconn", 1 << 16)
        ip_batch("link add d0 type veth peer name d1", "link set d0 up", "link set d1 up",
                 f"addr add {HERE}/24 dev d0", f"neigh add {NOWHERE} lladdr {NOBODY} dev d0",
                 f"route add 10.16.0.0/12 via {NOWHERE}")
        with socket.create_server((HERE, PORT), backlog=1 << 16), \
                socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as raw:
            for i in range(number):
                source = f"10.{16 + i // 60000}.{i // 250 % 240}.{i % 250 + 1}"
                ports = random.randrange(1024, 65000), PORT
                raw.sendto(tcp_packet(source, HERE, ports, i, 0, "S"), (HERE, 0))
    Child(job).result()


def forks(number):
    """Each process makes one connection."""
    def job(_):
        Netns.create()
        with socket.create_server(("127.0.0.1", PORT)) as listener:
            for _ in range(number):
                pid = os.fork()
                if pid == 0:
                    with socket.create_connection(("127.0.0.1", PORT)):
                        os._exit(0)
                listener.accept()[0].close()
                os.waitpid(pid, 0)
    Child(job).result()


def namespaces(number):
    """Each has one connection."""
    def job(_):
        for _ in range(number):
            netns = Netns.create()
            with socket.create_server(("127.0.0.1", PORT)) as listener, \
                    socket.create_connection(("127.0.0.1", PORT)):
                listener.accept()[0].close()
            netns.close()
    Child(job).result()
