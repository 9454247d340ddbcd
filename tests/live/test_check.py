"""`tcpdwell check`: its report agrees with a trace on this host, and with its sysctls."""
import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import uuid

import pytest

from lib import patience, rights
from lib.netns import Netns, sysctl
from lib.tracer import BINARY, Tracer, connections_in, parse_line

pytestmark = pytest.mark.hidden_events

FIELDS = ["type", "time", "mono_ns", "kernel", "hz", "netns", "traceable", "sees", "missing",
          "sysctls", "folklore", "time_wait_ns"]


def run(*arguments, before=(), **options):
    return patience.run([*before, BINARY, "check", *arguments], **options)


def report(*arguments, status=0, **options):
    """The object, and stderr."""
    done = run("--json", *arguments, **options)
    said = done.stderr.decode()
    assert done.returncode == status, said
    assert done.stdout.count(b"\n") == 1
    return parse_line(done.stdout), said


def values(check):
    return {each["name"]: each["value"] for each in check["sysctls"]}


def effects(check):
    return {each["name"]: each["effect"] for each in check["sysctls"]}


def proc_value(name):
    """As `sysctl -n` prints it; None: there is none."""
    with contextlib.suppress(FileNotFoundError):
        with open("/proc/sys/" + name.replace(".", "/"), encoding="ascii") as file:
            return file.read().rstrip("\n")
    return None


def own_netns():
    return os.stat("/proc/self/ns/net").st_ino


# --- what it finds -----------------------------------------------------------------------------

def test_report_agrees_with_a_trace():
    check, said = report()
    with Tracer("--where") as tracer:
        start = tracer.objects()[0]
    assert list(check) == FIELDS
    assert check["traceable"] is True and said == ""
    assert check["sees"] == start["sees"]
    assert (check["kernel"], check["hz"]) == (start["kernel"], start["hz"])
    lacking = [how for how in check["sees"].values() if how != "exact"]
    assert bool(check["missing"]) >= bool(lacking), "what is not exact must have a reason"


def test_the_sysctls_are_those_of_this_namespace():
    check, _ = report()
    assert check["netns"] == own_netns()
    assert values(check) == {name: proc_value(name) for name in values(check)}
    assert all(effects(check).values()), "each means something, also one that is not there"
    assert check["time_wait_ns"]["min"] == 60_000_000_000 < check["time_wait_ns"]["max"]


@pytest.fixture(name="changed")
def _changed():
    """A named namespace whose sysctls are not those of the host."""
    name = f"ck-{uuid.uuid4().hex[:8]}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        before = Netns.current()
        with open(f"/run/netns/{name}", encoding="ascii") as file:
            namespace = Netns(os.dup(file.fileno()))
        with namespace.inside():
            for key, value in (("ipv4.tcp_fin_timeout", 63), ("ipv4.tcp_retries2", 5),
                               ("ipv4.tcp_syn_retries", 2), ("core.somaxconn", 7),
                               ("ipv4.ip_local_port_range", "40000 40059")):
                sysctl(key, value)
        before.close()
        yield name, namespace
        namespace.close()
    finally:
        subprocess.run(["ip", "netns", "delete", name], check=True)


def expect_changed(check, namespace):
    assert check["netns"] == namespace.inum != own_netns()
    with namespace.inside():
        assert values(check) == {name: proc_value(name) for name in values(check)}
    said = effects(check)
    assert "up to 6 s" in said["net.ipv4.tcp_fin_timeout"]
    assert "at least 12.6 s" in said["net.ipv4.tcp_retries2"]
    assert "at most 8 connections" in said["net.core.somaxconn"]
    assert said["net.ipv4.ip_local_port_range"].startswith("60 ports")
    assert values(check)["net.ipv4.tcp_max_orphans"] is None, "it is the host's"


def test_another_namespace_by_its_path(changed):
    name, namespace = changed
    expect_changed(report("--netns", f"/run/netns/{name}")[0], namespace)


def test_another_namespace_by_its_number(changed):
    _, namespace = changed
    expect_changed(report("--netns", str(namespace.inum))[0], namespace)


def test_from_inside(changed):
    name, namespace = changed
    expect_changed(report(before=["ip", "netns", "exec", name])[0], namespace)
    expect_changed(report("--netns", "self", before=["ip", "netns", "exec", name])[0], namespace)


def test_a_namespace_that_only_a_descriptor_leads_to():
    with Netns.current().inside():
        nameless = Netns.create()
    check, _ = report("--netns", str(nameless.inum))
    assert check["netns"] == nameless.inum and check["sysctls"]
    assert report("--netns", nameless.path)[0]["netns"] == nameless.inum
    nameless.close()


def test_a_namespace_that_is_not_there():
    check, said = report("--netns", "4000000001", status=2)
    assert check["traceable"] is True and check["sysctls"] == []
    assert said.count("\n") == 1 and "network namespace 4000000001 cannot be entered" in said
    assert any("4000000001" in each["what"] for each in check["missing"])


# --- with less than root -----------------------------------------------------------------------

# By its path: a busybox's shell would take its own.
NOBODY = [shutil.which("setpriv") or "setpriv", "--reuid", "65534", "--regid", "65534",
          "--clear-groups"]


def test_without_rights_it_prints_the_reason_and_the_sysctls():
    check, said = report(status=2, before=NOBODY)
    assert check["traceable"] is False
    assert set(check["sees"].values()) == {"no"}
    assert "CAP_BPF" in check["missing"][0]["what"] and "root" in check["missing"][0]["hint"]
    assert said.count("\n") == 1 and "CAP_BPF" in said
    assert values(check) == {name: proc_value(name) for name in values(check)}


def test_without_rights_it_prints_text_too():
    done = run(before=NOBODY)
    text = done.stdout.decode()
    assert done.returncode == 2
    assert text.startswith("this host cannot be traced") and "missing: tracing needs" in text
    assert "net.ipv4.tcp_fin_timeout" in text


def test_lists_rights_that_a_container_lacks():
    check, _ = report(preexec_fn=rights.all_but("SYS_PTRACE"))
    assert check["traceable"] is True
    assert any("CAP_SYS_PTRACE is missing" in each["what"] for each in check["missing"])
    check, _ = report("--netns", "self", preexec_fn=rights.all_but("SYS_PTRACE"))
    assert not any("CAP_SYS_PTRACE" in each["what"] for each in check["missing"])


def test_seccomp():
    if rights.SYS_BPF is None:
        pytest.skip("the number of bpf() is not known for this architecture")
    check, said = report(status=2, preexec_fn=rights.without_bpf)
    assert check["traceable"] is False and check["sysctls"]
    assert "seccomp" in check["missing"][0]["hint"] and "seccomp" in said


# --- folklore ----------------------------------------------------------------------------------

IN_PLACE = """
    mount --bind "$1" /etc/sysctl.d
    shift
    exec "$@" """


@contextlib.contextmanager
def sysctl_d(**files):
    """What stands before a command that is to find these in /etc/sysctl.d."""
    with tempfile.TemporaryDirectory(prefix="tcpdwell-test-") as directory:
        os.chmod(directory, 0o755)
        for name, text in files.items():
            with open(os.path.join(directory, f"{name}.conf"), "wb") as file:
                file.write(text)
        yield directory, ["unshare", "-m", "--propagation", "private", "sh", "-c", IN_PLACE, "sh",
                          directory]


def found_in(check):
    return [(each["file"], each["line"], each["name"]) for each in check["folklore"]
            if each["file"].startswith("/etc/sysctl.d/")]


def test_folklore():
    with sysctl_d(b=b"# faster\nnet.ipv4.tcp_fin_timeout = 15\n-net/ipv4/tcp_tw_recycle=1\r\n",
                  a=b"net.ipv4.tcp_fack=1\nnet.ipv4.tcp_tw_reuse=1\n") as (_, before):
        check, said = report(before=before)
        text = run("--quiet", before=before).stdout.decode()
    assert said == ""
    assert found_in(check) == [("/etc/sysctl.d/a.conf", 1, "net.ipv4.tcp_fack"),
                               ("/etc/sysctl.d/b.conf", 2, "net.ipv4.tcp_fin_timeout"),
                               ("/etc/sysctl.d/b.conf", 3, "net.ipv4.tcp_tw_recycle")]
    assert "/etc/sysctl.d/b.conf:3: net.ipv4.tcp_tw_recycle\n" in text


def test_files_that_are_none():
    """It does not wait for a FIFO, and escapes the contents of a file."""
    with sysctl_d(bad=b"\x1b[2J\0\xff\nnet.ipv4.tcp_fack=\x1b[2J\n") as (directory, before):
        os.mkfifo(os.path.join(directory, "fifo.conf"))
        os.symlink("/dev/zero", os.path.join(directory, "zero.conf"))
        os.rename(os.path.join(directory, "bad.conf"), os.path.join(directory, "\x1b[2J.conf"))
        done = run("--color", "never", before=before)
        check, _ = report(before=before)
    assert done.returncode == 0 and b"\x1b" not in done.stdout + done.stderr
    assert found_in(check) == [("/etc/sysctl.d/\x1b[2J.conf", 2, "net.ipv4.tcp_fack")]


def test_reports_an_unreadable_file():
    with sysctl_d(secret=b"net.ipv4.tcp_fack=1\n") as (directory, before):
        os.chmod(os.path.join(directory, "secret.conf"), 0o600)
        _, said = report(status=2, before=[*before, *NOBODY])
    assert "cannot read /etc/sysctl.d/secret.conf: Permission denied" in said


# --- how it is said ----------------------------------------------------------------------------

def test_text():
    done = run()
    text = done.stdout.decode()
    assert done.returncode == 0 and done.stderr == b""
    assert text.startswith("this host can be traced (Linux ") and "\x1b" not in text
    assert "TIME_WAIT lasts 60.000s to " in text
    assert "\x1b[32m" in run("--color", "always").stdout.decode()


def test_a_reader_that_goes_away():
    reader, writer = os.pipe()
    os.close(reader)
    with patience.start([BINARY, "check"], stdout=writer, stderr=subprocess.PIPE) as check:
        os.close(writer)
        assert check.stderr.read() == b""
    assert check.returncode == 0


def test_into_a_file(tmp_path):
    output = tmp_path / "check"
    assert run("--json", "-o", output).stdout == b""
    assert parse_line(output.read_bytes())["traceable"] is True


# --- and it is true ----------------------------------------------------------------------------

def test_an_orphan_waits_as_long_as_it_says():
    """What is above 60 s is waited twice: 62 s are 4 s."""
    with Netns.current().inside():
        namespace = Netns.create()
        sysctl("ipv4.tcp_fin_timeout", 62)
        check, _ = report("--netns", "self")
        with Tracer("--netns", namespace.inum) as tracer, socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(1)
            client = socket.create_connection(listener.getsockname())
            server, _ = listener.accept()
            client.close()
            ended = []

            def is_over(objects):
                ended[:] = [each for each in connections_in(objects, namespace.inum)
                            if each["role"] == "client"]
                return ended
            tracer.wait_for(is_over, "the end of the orphan")
            server.close()
    namespace.close()
    assert "up to 4 s" in effects(check)["net.ipv4.tcp_fin_timeout"]
    assert ended[0]["ended"] == "timeout"
    assert 4_000_000_000 <= ended[0]["dwell"]["FIN_WAIT_2"] < 8_000_000_000
