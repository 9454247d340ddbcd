# SPDX-License-Identifier: Apache-2.0
"""Runs in a fresh Debian: installs the deb, starts its services, waits for the alert of a leak in a real Prometheus,
upgrades, removes, purges. Then the same with the rpm, by Debian's rpm. Prints a line for each step; status 0 if all is
as it should be."""
import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
MONITORING = pathlib.Path("/usr/share/tcpdwell/monitoring")
EXPORTER, RECORDER = "tcpdwell-exporter", "tcpdwell-recorder"


def run(*command, status=0):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == status, f"{command}: status {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


def get(url):
    with urllib.request.urlopen(url, timeout=20) as response:
        return response.read().decode()


def wait_for(condition, what, seconds=90):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            value = condition()
        except OSError:
            value = None
        if value:
            return value
        time.sleep(0.3)
    raise AssertionError(f"waited for {what}")


def is_active(unit):
    return run("systemctl", "show", "-P", "ActiveState", unit).strip() == "active"


def install():
    run("dpkg", "-i", HERE / "old.deb")
    assert not is_active(EXPORTER) and not is_active(RECORDER)
    said = subprocess.run(["systemctl", "is-enabled", EXPORTER, RECORDER], capture_output=True, text=True, check=False)
    assert said.stdout.split() == ["disabled", "disabled"], said.stdout
    verified = subprocess.run(["systemd-analyze", "verify", f"{EXPORTER}.service", f"{RECORDER}.service", f"{EXPORTER}.socket"],
                              capture_output=True, text=True, check=False)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", ""), verified.stderr


def start():
    options = pathlib.Path(f"/etc/default/{EXPORTER}")
    options.write_text(options.read_text().replace('OPTIONS=""', 'OPTIONS="--flag CLOSE_WAIT=2s"'))
    run("systemctl", "enable", "--now", EXPORTER, RECORDER)  # Type=notify: returns once they are ready
    assert is_active(EXPORTER) and is_active(RECORDER)
    wait_for(lambda: "tcpdwell_build_info" in get("http://127.0.0.1:9853/metrics"), "metrics")


def leak():
    """A socket in CLOSE_WAIT, which this process holds."""
    listener = socket.create_server(("127.0.0.1", 0))
    client = socket.create_connection(listener.getsockname())
    held = listener.accept()[0]
    client.close()
    return listener, held


def alert():
    scratch = HERE / "prometheus-data"
    scratch.mkdir()
    for file in MONITORING.glob("*.yaml"):
        text = re.sub(r"\bfor: \w+", "for: 2s", file.read_text())
        (scratch / file.name).write_text(re.sub(r"(_interval): 15s", r"\1: 1s", text))
    prometheus = subprocess.Popen(
        [HERE / "prometheus", f"--config.file={scratch}/prometheus.yaml", f"--storage.tsdb.path={scratch}/tsdb",
         "--enable-feature=native-histograms", "--web.listen-address=127.0.0.1:9090"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        def firing():
            alerts = json.loads(get("http://127.0.0.1:9090/api/v1/alerts"))["data"]["alerts"]
            return [one for one in alerts if one["state"] == "firing"]
        fired, = wait_for(firing, "the alert")
        assert fired["labels"]["alertname"] == "SocketLeak", fired
        return fired["labels"]["service"]
    finally:
        prometheus.kill()
        prometheus.wait()


def named_by_leaks():
    told = run("tcpdwell", "leaks", "--flag", "CLOSE_WAIT=2s", status=1)
    assert f"pid {os.getpid()}" in told or str(os.getpid()) in told, told


def logged():
    lines = run("journalctl", "-o", "json", "-u", EXPORTER, "TCPDWELL_FLAG=CLOSE_WAIT").splitlines()
    entry = json.loads(lines[0])
    assert entry["TCPDWELL_EVENT"] == "raised" and entry["TCPDWELL_PID"] == str(os.getpid()), entry


def reload():
    before = run("systemctl", "show", "-P", "MainPID", EXPORTER)
    run("systemctl", "reload", EXPORTER, RECORDER)
    time.sleep(1)
    assert is_active(EXPORTER) and is_active(RECORDER)
    assert run("systemctl", "show", "-P", "MainPID", EXPORTER) == before


def upgrade():
    before = run("systemctl", "show", "-P", "MainPID", EXPORTER)
    run("dpkg", "-i", HERE / "new.deb")
    assert is_active(EXPORTER) and is_active(RECORDER)
    assert run("systemctl", "show", "-P", "MainPID", EXPORTER) != before, "the new one runs"
    assert "CLOSE_WAIT=2s" in pathlib.Path(f"/etc/default/{EXPORTER}").read_text(), "changes are kept"
    wait_for(lambda: "tcpdwell_build_info" in get("http://127.0.0.1:9853/metrics"), "metrics")


def recording():
    run("systemctl", "stop", RECORDER)
    for file in sorted(pathlib.Path("/var/lib/tcpdwell").glob("recorder*")):
        print(run("tcpdwell", "replay", file, "info").splitlines()[0])
    assert list(pathlib.Path("/var/lib/tcpdwell").glob("recorder.previous.tdw")), "that of the run before is kept"


def socket_activation():
    run("systemctl", "disable", "--now", EXPORTER)
    run("systemctl", "enable", "--now", f"{EXPORTER}.socket")
    assert not is_active(EXPORTER)
    wait_for(lambda: "tcpdwell_build_info" in get("http://127.0.0.1:9853/metrics"), "metrics")
    assert is_active(EXPORTER)


def left():
    """Files with our name, but for man-db's own."""
    run("systemctl", "daemon-reload")
    return run("find", "/etc", "/usr", "/var", "/run", "-xdev", "-name", "*tcpdwell*", "-not", "-path",
               "/var/cache/man/*").splitlines()


def remove_and_purge():
    run("dpkg", "-r", "tcpdwell")
    assert not is_active(EXPORTER) and not pathlib.Path("/usr/bin/tcpdwell").exists()
    assert pathlib.Path(f"/etc/default/{EXPORTER}").exists(), "only a purge removes configuration"
    run("dpkg", "-P", "tcpdwell")
    assert not left(), left()


def rpm_install():
    run("rpm", "-i", "--nodeps", HERE / "old.rpm")  # Debian's database of rpm knows no /bin/sh
    assert not is_active(EXPORTER) and not is_active(RECORDER)
    run("rpm", "-V", "--nodeps", "tcpdwell")
    start()


def rpm_upgrade():
    before = run("systemctl", "show", "-P", "MainPID", EXPORTER)
    run("rpm", "-U", "--nodeps", HERE / "new.rpm")
    assert is_active(EXPORTER) and is_active(RECORDER)
    assert run("systemctl", "show", "-P", "MainPID", EXPORTER) != before, "the new one runs"
    assert "CLOSE_WAIT=2s" in pathlib.Path(f"/etc/default/{EXPORTER}").read_text(), "changes are kept"


def rpm_erase():
    run("rpm", "-e", "tcpdwell")
    assert not is_active(EXPORTER) and not is_active(RECORDER)
    # rpm has no purge: what a user changed and the recordings stay.
    kept = {f"/etc/default/{EXPORTER}.rpmsave", "/var/lib/tcpdwell"}
    assert set(left()) == kept, left()


def main():
    kept = None
    for step in (install, start, leak, alert, named_by_leaks, logged, reload, upgrade, recording, socket_activation,
                 remove_and_purge, rpm_install, rpm_upgrade, rpm_erase):
        value = step()
        kept = value if step is leak else kept
        print(f"{step.__name__}: ok", value if isinstance(value, str) else "", flush=True)


if __name__ == "__main__":
    try:
        main()
    except AssertionError as failed:
        print(f"FAILED: {failed!r}")
        print(subprocess.run(["journalctl", "-n", "40", "--no-pager", "-u", "tcpdwell-*"], capture_output=True,
                             text=True, check=False).stdout)
        sys.exit(1)
