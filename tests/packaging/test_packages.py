# SPDX-License-Identifier: Apache-2.0
"""What ./dev package made, in trees of Debian: install, use, upgrade, remove, purge."""
import hashlib
import json
import os
import pathlib
import shutil
import subprocess
import tarfile

import pytest

from conftest import ROOT

DIST = pathlib.Path(os.environ.get("TCPDWELL_DIST", ROOT / "dist"))
SUITES = os.environ.get("TCPDWELL_SUITES", "bookworm trixie").split()


def only(pattern):
    found = sorted(DIST.glob(pattern))
    assert found, f"no {pattern} in {DIST}: ./dev package makes it"
    return found[-1]


@pytest.fixture(scope="module", params=SUITES)
def tree(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp(request.param)
    done = subprocess.run(["mmdebstrap", "--variant=apt", "--include=systemd,man-db", request.param, directory],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return directory


def inside(tree, *command, check=True):
    return subprocess.run(["chroot", tree, *command], capture_output=True, text=True, check=check,
                          env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8",
                               "DEBIAN_FRONTEND": "noninteractive"})


def files_in(tree):
    return {str(path.relative_to(tree)) for top in ("etc", "usr", "var/lib", "var/log") for path in (tree / top).rglob("*")
            if "tcpdwell" in str(path.relative_to(tree))}


def test_deb(tree):
    deb = only("*_amd64.deb")
    shutil.copy(deb, tree / "tcpdwell.deb")
    inside(tree, "dpkg", "-i", "/tcpdwell.deb")
    assert inside(tree, "tcpdwell", "--version").stdout.startswith("tcpdwell ")
    assert "CLOSE_WAIT" in inside(tree, "tcpdwell", "help", "states").stdout
    verified = inside(tree, "systemd-analyze", "verify", "tcpdwell-exporter.service", "tcpdwell-exporter.socket",
                      "tcpdwell-recorder.service", check=False)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert not list((tree / "etc/systemd/system").rglob("*tcpdwell*")), "nothing is enabled"
    inside(tree, "dpkg", "-i", "/tcpdwell.deb")  # upgrade to itself
    (tree / "var/lib/tcpdwell").mkdir()
    (tree / "var/lib/tcpdwell/recorder.tdw").touch()
    inside(tree, "dpkg", "-r", "tcpdwell")
    assert not (tree / "usr/bin/tcpdwell").exists()
    inside(tree, "dpkg", "-P", "tcpdwell")
    assert {name for name in files_in(tree) if not name.startswith("var/lib/dpkg")} == set()


def test_checksums():
    sums = only("SHA256SUMS")
    for line in sums.read_text().splitlines():
        digest, name = line.split()
        assert hashlib.sha256((DIST / name).read_bytes()).hexdigest() == digest, name


def test_image_is_an_oci_layout(tmp_path):
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
        archive.extractall(tmp_path / "root")
    ran = subprocess.run(["chroot", tmp_path / "root", "/usr/bin/tcpdwell", "--version"], capture_output=True,
                         text=True, check=True)
    assert ran.stdout.startswith("tcpdwell ")


def test_rpm_has_the_same_files_as_the_tarball():
    rpm, tarball = only("*.x86_64.rpm"), only("*-linux-x86_64.tar.gz")
    listed = subprocess.run(["rpm", "-qlp", rpm], capture_output=True, text=True, check=True).stdout.split()
    with tarfile.open(tarball) as archive:
        packed = {"/" + name.partition("/")[2] for name in archive.getnames() if archive.getmember(name).isfile()}
    packed = {name + ".gz" if "/man/" in name else name for name in packed}
    assert packed - set(listed) == set()


def test_bill_of_materials_names_each_library():
    bill = json.loads(only("*-amd64.spdx.json").read_text())
    names = {package["name"] for package in bill["packages"]}
    assert {"tcpdwell", "libbpf-dev", "libevent-dev", "libc6-dev"} <= names
    assert all(package["versionInfo"] != "NOASSERTION" for package in bill["packages"])
