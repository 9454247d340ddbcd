"""At full churn no transition is lost, and none is told twice: what was made is what is counted."""
import json
import subprocess

from lib.netns import Netns
from lib.tracer import Tracer
from whole.traffic import CHURN

CONNECTIONS = 1000


def test_churn():
    with Netns.current().inside():
        netns = Netns.create()
    with Tracer("--netns", netns.inum) as tracer:
        with netns.inside():
            done = subprocess.run([CHURN, "--threads", "2", "--connections", str(CONNECTIONS)],
                                  capture_output=True, text=True, check=True, timeout=300)
        objects = tracer.stop()
    made, end = json.loads(done.stdout), objects[-1]
    print(done.stdout, end)
    assert made["exact"]
    assert (end["transitions"], end["unseen"]) == (made["transitions"], 0), (made, end)
    assert end["lost"] == 0, end
