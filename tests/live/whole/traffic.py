"""The load generator of tests/bench in a namespace of its own. It counts its transitions."""
import json
import os
import random
import signal
import subprocess

from lib.netns import Netns, sysctl
from lib.patience import ended

CHURN = os.environ.get(
    "TCPDWELL_CHURN", os.path.join(os.path.dirname(__file__), "../../../build/tests/bench/churn"))
TIME_WAITS = 1500  # more are not kept: the kernel's list must be readable
THREADS = 2


class Traffic:
    """Churn on all CPUs, from __enter__ to stop()."""

    def __init__(self, netns=None):
        if netns is None:
            with Netns.current().inside():
                netns = Netns.create()
                sysctl("ipv4.tcp_max_tw_buckets", TIME_WAITS)
        self.netns, self.made = netns, None
        self.ports = set(range(first := random.randrange(9000, 29000), first + THREADS))

    def __enter__(self):
        command = [CHURN, "--threads", str(THREADS), "--port", str(min(self.ports)),
                   "--until-stdin-closes", "--announce"]
        with self.netns.inside():
            self.process = subprocess.Popen(command, stdin=subprocess.PIPE,
                                            stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n", "the load did not begin"
        return self

    def stop(self):
        """Returns the exact number of transitions."""
        self.process.send_signal(signal.SIGTERM)  # its stdin may have been inherited meanwhile
        said = json.loads(self.process.stdout.readline())
        assert ended(self.process) == 0 and said["exact"], said
        self.made = said["transitions"]
        return self.made

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
