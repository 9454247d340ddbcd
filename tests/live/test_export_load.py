"""export: a thousand scrapers at a time cost a share of a CPU, and no event is lost."""
import socket
import threading
import time

import pytest

from lib.exporter import PORT, Exporter, value
from lib.netns import Netns

SHARE = 0.05  # of one CPU


@pytest.fixture(autouse=True)
def _netns():
    with Netns.current().inside():
        yield Netns.create()


def test_thousand_scrapers_cost_a_share_of_a_cpu():
    with Exporter("--netns", "self", "--strict") as exporter:
        exporter.first_page()
        over, answered = threading.Event(), []

        def scrape():
            while not over.is_set():
                try:
                    with socket.create_connection(("127.0.0.1", PORT), timeout=1) as client:
                        client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                        if client.recv(65536).startswith(b"HTTP/1.1 200"):
                            answered.append(1)
                except OSError:
                    pass

        threads = [threading.Thread(target=scrape, daemon=True) for _ in range(1000)]
        began, before = time.monotonic(), exporter.cpu_seconds()[0]
        for thread in threads:
            thread.start()
        time.sleep(5)
        used, took = exporter.cpu_seconds()[0] - before, time.monotonic() - began
        over.set()
        assert answered
        assert used <= SHARE * took + 0.3, f"{used:.2f} s of CPU in {took:.1f} s"
        for thread in threads:
            thread.join()
        samples = exporter.wait_for(lambda samples: True, "a page afterwards")
        assert value(samples, "tcpdwell_events_lost_total") == 0
        exporter.stop()  # --strict: 3 if it had lost an event
