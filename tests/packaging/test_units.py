# SPDX-License-Identifier: Apache-2.0
"""The units: systemd understands every key, and what they may do is little."""
import re
import subprocess

import pytest

from conftest import BINARY, ROOT

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


def test_logrotate_accepts_its_file(tmp_path):
    done = subprocess.run(["logrotate", "-d", "-s", tmp_path / "state", ROOT / "packaging/tcpdwell.logrotate"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "error" not in done.stderr.lower(), done.stderr
