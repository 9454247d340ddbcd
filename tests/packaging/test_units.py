# SPDX-License-Identifier: Apache-2.0
"""The units: systemd understands every key, and what they may do is little."""
import re
import subprocess

import pytest

from conftest import BINARY, ROOT
from lib.netns import Netns
from lib.patience import start, wait_for, work

UNITS = sorted((ROOT / "packaging/systemd").glob("*.service")) + sorted((ROOT / "packaging/systemd").glob("*.socket"))
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
MOST_EXPOSED = 40  # of 100; it must load BPF programs and enter network namespaces


def verify(directory, units):
    """With our own binary, since nothing is installed here."""
    for unit in units:
        text = unit.read_text().replace("/usr/bin/tcpdwell", str(BINARY))
        (directory / unit.name).write_text(text)
    return subprocess.run(["systemd-analyze", "verify", "--man=no", *(directory / unit.name for unit in units)],
                          capture_output=True, text=True, check=False)


def test_verify_says_nothing(tmp_path):
    """It returns 0 on a misspelt key, so what it prints counts."""
    done = verify(tmp_path, UNITS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_this_test_finds_a_misspelt_key(tmp_path):
    wrong = tmp_path / "source" / SERVICES[0].name
    wrong.parent.mkdir()
    wrong.write_text(SERVICES[0].read_text().replace("PrivateTmp=", "PrivateTemp="))
    assert "PrivateTemp" in verify(tmp_path, [wrong]).stderr


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_security(unit):
    done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", unit],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_capabilities_are_those_of_the_document(unit):
    document = (ROOT / "docs/hardened.md").read_text()
    wanted = set(re.findall(r"--cap-add (\w+)", document)) | {"DAC_READ_SEARCH"}
    assert set(re.findall(r"CAP_(\w+)", re.search(r"^CapabilityBoundingSet=(.*)$", unit.read_text(), re.M)[1])) == wanted


def test_kubernetes_has_the_same_capabilities():
    text = (ROOT / "packaging/kubernetes/daemonset.yaml").read_text()
    added = re.search(r"add: \[([^\]]+)\]", text)[1].replace(" ", "").split(",")
    unit = re.search(r"^CapabilityBoundingSet=(.*)$", SERVICES[0].read_text(), re.M)[1]
    assert {f"CAP_{name}" for name in added} == set(unit.split())


def test_logrotate_signals_only_who_writes_there(tmp_path):
    logs = tmp_path / "log"
    logs.mkdir()
    (tmp_path / "conf").write_text((ROOT / "packaging/tcpdwell.logrotate").read_text().replace("/var/log/tcpdwell", str(logs)))
    own, other = logs / "trace.ndjson", tmp_path / "other.ndjson"
    tracers = []
    try:
        with Netns.current().inside():
            Netns.create()
            for output in own, other:
                ready = output.with_suffix(".ready")
                tracers.append(start([BINARY, "trace", "--json", "--netns", "self", "--ready-file", ready, "-o", output]))
                wait_for(ready.exists, "the tracer", lambda: work(tracers[-1].pid))
        wait_for(lambda: own.stat().st_size, "the first line")
        other.unlink()
        done = subprocess.run(["logrotate", "-f", "-s", tmp_path / "state", tmp_path / "conf"], capture_output=True, text=True,
                              check=False)
        assert (done.returncode, done.stderr) == (0, "")
        wait_for(own.exists, "the new file")
        assert (logs / "trace.ndjson.1").exists()
        assert not other.exists(), "the other one opened its file again"
    finally:
        for tracer in tracers:
            tracer.kill()
            tracer.wait()
