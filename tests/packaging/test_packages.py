# SPDX-License-Identifier: Apache-2.0
"""What ./dev package made, in trees of Debian: install, use, upgrade, remove, purge."""
import fnmatch
import hashlib
import importlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import urllib.request

import pytest

from conftest import HERE, ROOT
from lib.netns import Netns
from lib.patience import start, wait_for
from test_units import MOST_EXPOSED
from trees import Tree

DIST = pathlib.Path(os.environ.get("TCPDWELL_DIST", ROOT / "dist"))
SUITES = os.environ.get("TCPDWELL_SUITES", "bookworm trixie").split()


def only(pattern):
    """The file of the last `./dev package`; those of earlier commits may lie beside it."""
    sums = DIST / "SHA256SUMS"
    assert sums.exists(), f"no packages in {DIST}: ./dev package makes them"
    names = [line.split()[1] for line in sums.read_text().splitlines()]
    found, = fnmatch.filter(names, pattern)
    return DIST / found


def output_of(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module", params=SUITES)
def tree(request, tmp_path_factory):
    made = Tree.make(request.param, tmp_path_factory.mktemp(request.param))
    made.suite = request.param
    made.prometheus = prometheus_of(request.param, tmp_path_factory.mktemp("prometheus"))
    return made


def newer(deb, scratch):
    """The same package, of a later version."""
    subprocess.run(["dpkg-deb", "-R", deb, scratch / "newer"], check=True)
    control = scratch / "newer/DEBIAN/control"
    control.write_text(re.sub(r"^Version: (.*)$", r"Version: \1+later", control.read_text(), flags=re.M))
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", scratch / "newer", scratch / "newer.deb"], check=True,
                   capture_output=True)
    return scratch / "newer.deb"


def newer_rpm(rpm, scratch):
    tree, top = scratch / "stage", scratch / "rpm"
    tree.mkdir()
    (top / "SOURCES").mkdir(parents=True)
    subprocess.run(f"rpm2cpio {rpm} | (cd {tree} && cpio -id --quiet) && tar -cf {top}/SOURCES/stage.tar -C {tree} .",
                   shell=True, check=True)
    version = output_of("rpm", "-qp", "--qf", "%{VERSION}", rpm)
    subprocess.run(["rpmbuild", "-bb", "--define", f"_topdir {top}", "--define", f"tcpdwell_version {version}.later",
                    ROOT / "packaging/rpm/tcpdwell.spec"], check=True, capture_output=True)
    built, = (top / "RPMS").rglob("*.rpm")
    return built


def prometheus_of(suite, scratch):
    """The directory of that Debian's own Prometheus and promtool."""
    subprocess.run([sys.executable, ROOT / "tools/debian.py", "--arch", "amd64", "--suite", suite, "--into", scratch / suite,
                    "prometheus"], check=True)
    return scratch / suite / "usr/bin"


def test_deb_in_a_tree(tree):
    before = tree.files_of("tcpdwell")
    shutil.copy(only("*_amd64.deb"), tree.root / "tcpdwell.deb")
    tree.run("dpkg", "-i", "/tcpdwell.deb")
    assert tree.run("tcpdwell", "--version").stdout.startswith("tcpdwell ")
    assert "CLOSE_WAIT" in tree.run("tcpdwell", "help", "states").stdout
    assert "tcpdwell-json" in tree.run("man", "-w", "tcpdwell-json").stdout
    verified = tree.run("systemd-analyze", "verify", "tcpdwell-exporter.service", "tcpdwell-exporter.socket",
                        "tcpdwell-recorder.service", check=False)
    assert (verified.returncode, verified.stdout, verified.stderr) == (0, "", "")
    for name in ("exporter", "recorder"):
        tree.run("systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}",
                 f"/usr/lib/systemd/system/tcpdwell-{name}.service")
    assert not list((tree.root / "etc/systemd/system").rglob("*tcpdwell*")), "nothing is enabled"
    tree.run("dpkg", "-P", "tcpdwell")
    (tree.root / "tcpdwell.deb").unlink()
    assert tree.files_of("tcpdwell") == before == set()


def test_deb_in_a_virtual_machine(tree, tmp_path):
    """guest.py says what is tested."""
    deb = only("*_amd64.deb")
    rpm = only("*.x86_64.rpm")
    files = {"old.deb": deb, "new.deb": newer(deb, tmp_path), "old.rpm": rpm, "new.rpm": newer_rpm(rpm, tmp_path),
             "prometheus": tree.prometheus / "prometheus", "guest.py": HERE / "guest.py"}
    said, status = tree.boot(tmp_path, files, "python3 /root/guest.py")
    assert status == 0, said
    assert "remove_and_purge: ok" in said and "rpm_erase: ok" in said


def test_rpm_in_a_tree(tree):
    """--noplugins: that of Debian 13's rpm for namespaces cannot work in a chroot."""
    before = tree.files_of("tcpdwell")
    shutil.copy(only("*.x86_64.rpm"), tree.root / "tcpdwell.rpm")
    tree.run("rpm", "-i", "--noplugins", "--nodeps", "/tcpdwell.rpm")
    assert tree.run("tcpdwell", "--version").stdout.startswith("tcpdwell ")
    assert tree.run("rpm", "-V", "--nodeps", "tcpdwell").stdout == ""
    tree.run("rpm", "-e", "--noplugins", "tcpdwell")
    (tree.root / "tcpdwell.rpm").unlink()
    assert tree.files_of("tcpdwell") == before == set()


def test_rules_with_the_promtool_of_that_debian(tree):
    scratch = tree.root / "monitoring"
    shutil.copytree(ROOT / "monitoring", scratch, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(tree.prometheus / "promtool", scratch)
    tests = ["alerts-test.yaml"] + ["native-test.yaml"] * (tree.suite != "bookworm")  # Debian 12 has 2.42
    for command in (["check", "rules", "alerts.yaml", "recording-rules.yaml"], ["test", "rules", *tests]):
        said = tree.run("sh", "-c", f"cd /monitoring && ./promtool {' '.join(command)}", check=False)
        assert said.returncode == 0, said.stdout + said.stderr
    shutil.rmtree(scratch)


def test_checksums():
    sums = DIST / "SHA256SUMS"
    for line in sums.read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((DIST / name).read_bytes()).hexdigest() == digest, name


def test_they_are_made_to_the_same_bytes(tmp_path, monkeypatch):
    """From a copy of the sources, with older files."""
    for name in ("docs", "packaging", "monitoring", "tools", "LICENSES"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for name in ("LICENSE", "README.md"):
        shutil.copy(ROOT / name, tmp_path)
    for path in tmp_path.rglob("*"):
        os.utime(path, (10**9, 10**9))
    monkeypatch.syspath_prepend(tmp_path / "tools")
    package = importlib.import_module("package")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", output_of("git", "-C", ROOT, "log", "-1", "--format=%ct").strip())
    with tarfile.open(only("*-linux-x86_64.tar.gz")) as archive:
        archive.extractall(tmp_path)
    binary, = tmp_path.glob("tcpdwell-*/usr/bin/tcpdwell")
    pages, version = package.make_pages(binary, tmp_path / "man"), package.version_of(binary)
    for make in package.MAKERS.values():
        made, = make(tmp_path, "amd64", binary, pages, version)
        assert made.read_bytes() == only(made.name).read_bytes(), f"{made.name} differs"


def test_image_is_an_oci_layout_and_runs(tmp_path):
    image = only("*-amd64.oci.tar")
    with tarfile.open(image) as archive:
        archive.extractall(tmp_path)
    blob = lambda digest: (tmp_path / "blobs" / digest.replace(":", "/")).read_bytes()
    manifest = json.loads(blob(json.loads((tmp_path / "index.json").read_text())["manifests"][0]["digest"]))
    for part in (manifest["config"], *manifest["layers"]):
        content = blob(part["digest"])
        assert "sha256:" + hashlib.sha256(content).hexdigest() == part["digest"] and len(content) == part["size"]
    layer = tmp_path / "blobs" / manifest["layers"][0]["digest"].replace(":", "/")
    with tarfile.open(layer) as archive:
        archive.extractall(tmp_path / "rootfs")
    assert output_of("chroot", tmp_path / "rootfs", "/usr/bin/tcpdwell", "--version").startswith("tcpdwell ")
    assert (tmp_path / "rootfs/usr/share/doc/tcpdwell/LICENSE").exists()
    page = page_of_a_container(tmp_path)
    assert 'tcpdwell_sees{what="syn_received",how="exact"} 1' in page and "tcpdwell_events_lost_total" in page


def listed(text, key):
    return re.search(rf"^\s*{key}: \[(.+)\]", text, re.M)[1].replace('"', "").split(", ")


def page_of_a_container(bundle):
    """The metrics of bundle/rootfs, run as daemonset.yaml says: with its arguments and capabilities, a read-only root and
    the host's pids. In a network namespace of its own."""
    text = (ROOT / "packaging/kubernetes/daemonset.yaml").read_text()
    subprocess.run(["runc", "spec"], cwd=bundle, check=True)
    spec = json.loads((bundle / "config.json").read_text())
    allowed = [f"CAP_{name}" for name in listed(text, "add")]
    spec["process"].update(terminal=False, args=["/usr/bin/tcpdwell", *listed(text, "args")], noNewPrivileges=True,
                           capabilities={kind: allowed for kind in ("bounding", "effective", "permitted")})
    spec["root"]["readonly"] = True
    spec["linux"] = {"namespaces": [{"type": kind} for kind in ("mount", "ipc", "uts")]}
    spec["mounts"] = [{"destination": path, "type": "bind", "source": path, "options": ["rbind", "ro"]}
                      for path in ("/proc", "/sys")]
    (bundle / "config.json").write_text(json.dumps(spec))
    name = f"tcpdwell-test-{os.getpid()}"
    with Netns.current().inside():
        Netns.create()
        container = start(["runc", "run", "--bundle", bundle, name])
        try:
            return wait_for(metrics, "the exporter", container.poll)
        finally:
            subprocess.run(["runc", "kill", name, "TERM"], check=True)
            assert container.wait(timeout=60) == 0
            subprocess.run(["runc", "delete", "--force", name], check=True)


def metrics():
    try:
        with urllib.request.urlopen("http://127.0.0.1:9853/metrics", timeout=20) as response:
            return response.read().decode()
    except OSError:  # it does not listen yet, or has no page yet
        return None


def test_rpm_has_the_same_files_as_the_tarball():
    rpm, tarball = only("*.x86_64.rpm"), only("*-linux-x86_64.tar.gz")
    listed = output_of("rpm", "-qlp", rpm).split()
    with tarfile.open(tarball) as archive:
        packed = {"/" + name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    packed = {name + ".gz" if "/man/" in name else name for name in packed}
    assert packed - set(listed) == set()


def test_arm64_has_the_same_files(tmp_path):
    if "arm64" not in (DIST / "SHA256SUMS").read_text():
        pytest.skip("./dev package amd64 arm64 makes them")
    debs, rpms = [only(f"*_{arch}.deb") for arch in ("amd64", "arm64")], [only(f"*.{arch}.rpm") for arch in ("x86_64", "aarch64")]
    assert [output_of("dpkg-deb", "-f", deb, "Architecture").strip() for deb in debs] == ["amd64", "arm64"]
    assert [output_of("rpm", "-qp", "--qf", "%{ARCH}", rpm) for rpm in rpms] == ["x86_64", "aarch64"]
    names = [[line.split()[5] for line in output_of("dpkg-deb", "-c", deb).splitlines()] for deb in debs]
    assert names[0] == names[1]
    assert output_of("rpm", "-qlp", rpms[0]) == output_of("rpm", "-qlp", rpms[1])
    subprocess.run(["dpkg-deb", "-x", debs[1], tmp_path], check=True)
    assert "AArch64" in output_of("readelf", "-h", tmp_path / "usr/bin/tcpdwell")


def test_bill_of_materials_names_each_library():
    bill = json.loads(only("*-amd64.spdx.json").read_text())
    names = {package["name"] for package in bill["packages"]}
    assert {"tcpdwell", "libbpf-dev", "libevent-dev", "libc6-dev"} <= names
    assert all(package["versionInfo"] != "NOASSERTION" for package in bill["packages"])
