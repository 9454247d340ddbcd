# SPDX-License-Identifier: Apache-2.0
"""The files of monitoring/ agree with promtool, with each other, and with the documents."""
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
MONITORING = ROOT / "monitoring"
METRIC = re.compile(r"\b(tcpdwell_\w+?)(?:_bucket|_sum|_count)?\b(?!:)")


def text_of(*names):
    return "\n".join((MONITORING / name).read_text(encoding="utf-8") for name in names)


def promtool(*arguments):
    return subprocess.run(["promtool", *arguments], cwd=MONITORING, capture_output=True, text=True,
                          check=False)


@pytest.mark.parametrize("arguments", [
    ("check", "rules", "alerts.yaml", "recording-rules.yaml"), ("check", "config", "prometheus.yaml"),
    ("test", "rules", "alerts-test.yaml")], ids=["rules", "config", "alerts"])
def test_promtool(arguments):
    done = promtool(*arguments)
    assert done.returncode == 0, done.stdout + done.stderr


def alerts():
    return re.findall(r"- alert: (\w+)", text_of("alerts.yaml"))


def test_each_alert_is_tested_firing_and_not():
    tests = text_of("alerts-test.yaml")
    for alert in alerts():
        cases = re.findall(rf"alertname: {alert}(\}})?\n(\s+exp_alerts)?", tests)
        assert any(fires for _, fires in cases), f"{alert} is never expected to fire"
        assert any(not fires for _, fires in cases), f"{alert} is never expected to be silent"


def test_each_alert_is_whole_and_has_a_runbook():
    text = text_of("alerts.yaml")
    anchors = {heading.lower() for heading in
               re.findall(r"^## (\w+)$", (ROOT / "docs/runbook.md").read_text(), re.M)}
    assert anchors == {alert.lower() for alert in alerts()}
    for alert, body in zip(alerts(), text.split("- alert: ")[1:]):
        assert f"runbook_url: docs/runbook.md#{alert.lower()}" in body
        for part in ("severity: ", "summary: ", "description: "):
            assert part in body, f"{alert} lacks {part}"


def test_every_metric_that_is_used_is_documented():
    documented = set(re.findall(r"`(tcpdwell_\w+)`", (ROOT / "docs/metrics.md").read_text()))
    used = set(METRIC.findall(text_of("alerts.yaml", "recording-rules.yaml", "dashboard.json")))
    used = {name for name in used if not name.endswith("sockets_sum")}
    unknown = {name for name in used
               if name not in documented and not re.search(rf":{name}", text_of("recording-rules.yaml"))}
    assert not unknown


def test_dashboard_is_what_its_source_writes():
    done = subprocess.run(
        [sys.executable, "-c", "import dashboard, sys; sys.stdout.write(dashboard.text())"],
        cwd=MONITORING, capture_output=True, text=True, check=True)
    assert done.stdout == text_of("dashboard.json"), "run monitoring/dashboard.py"
