#!/usr/bin/env python3
"""Makes the packages from release binaries: deb, rpm, tarball, OCI image, SBOM, checksums.

    package.py --host BINARY ARCH=BINARY...

--host: a binary that runs here, for the man pages. Writes into dist/, the same bytes for the same commit and
binary. Called by `./dev package`.
"""
import argparse
import gzip
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import oci
import sbom

ROOT = pathlib.Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"
PACKAGING = ROOT / "packaging"
RPM_ARCH = {"amd64": "x86_64", "arm64": "aarch64"}
UNITS = ("tcpdwell-exporter.service", "tcpdwell-exporter.socket", "tcpdwell-recorder.service")


def say(text):
    print(f"package: {text}", file=sys.stderr)


def run(*command, **options):
    options.setdefault("check", True)
    return subprocess.run(list(map(str, command)), **options)


def epoch():
    """The time of the commit: what is packaged has no other."""
    done = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", str(ROOT), "log", "-1", "--format=%ct"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "0"


def version_of(binary):
    """0.1.0, or 0.1.0+g<commit>: "-" has a meaning of its own in versions of packages."""
    text = run(binary, "--version", capture_output=True, text=True).stdout.split()[1]
    return text.replace("-", "+", 1).replace("-", ".")


def put(source, target, mode=0o644):
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def stage(directory, binary, pages, zsh, with_units):
    """The files of a package, as they will be installed."""
    share = directory / "usr/share"
    put(binary, directory / "usr/bin/tcpdwell", 0o755)
    for page in sorted(pages.iterdir()):
        put(page, share / f"man/man{page.name[-1]}" / page.name)
    put(PACKAGING / "completions/tcpdwell.bash", share / "bash-completion/completions/tcpdwell")
    put(PACKAGING / "completions/tcpdwell.fish", share / "fish/vendor_completions.d/tcpdwell.fish")
    put(PACKAGING / "completions/_tcpdwell", share / zsh / "_tcpdwell")
    for name in ("alerts.yaml", "recording-rules.yaml", "prometheus.yaml", "dashboard.json", "nginx.conf"):
        put(ROOT / "monitoring" / name, share / "tcpdwell/monitoring" / name)
    put(PACKAGING / "kubernetes/daemonset.yaml", share / "tcpdwell/kubernetes/daemonset.yaml")
    for name in ("exporter", "recorder"):
        put(PACKAGING / f"systemd/tcpdwell-{name}.default", directory / f"etc/default/tcpdwell-{name}")
    put(PACKAGING / "tcpdwell.logrotate", directory / "etc/logrotate.d/tcpdwell")
    put(PACKAGING / "tcpdwell.toml", directory / "etc/tcpdwell.toml")
    put(ROOT / "docs/runbook.md", share / "doc/tcpdwell/runbook.md")
    (directory / "var/log/tcpdwell").mkdir(parents=True)
    (directory / "var/log/tcpdwell").chmod(0o750)
    if with_units:
        for unit in UNITS:
            put(PACKAGING / "systemd" / unit, directory / "usr/lib/systemd/system" / unit)


def add_licences(directory):
    for name in ("LICENSE", "README.md", *(f"LICENSES/{each.name}" for each in sorted((ROOT / "LICENSES").iterdir()))):
        put(ROOT / name, directory / "usr/share/doc/tcpdwell" / name)


def compress_pages(directory):
    for page in (directory / "usr/share/man").rglob("*.[157]"):
        with open(f"{page}.gz", "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=0) as packed:
            packed.write(page.read_bytes())
        page.unlink()


def tar(directory, target, *more):
    run("tar", "--sort=name", f"--mtime=@{os.environ['SOURCE_DATE_EPOCH']}", "--owner=0", "--group=0",
        "--numeric-owner", "--format=gnu", *more, "-cf", target, "-C", directory, ".")


def make_deb(work, arch, binary, pages, version):
    tree = work / "deb"
    stage(tree / "stage", binary, pages, "zsh/vendor-completions", with_units=False)
    # dpkg-deb keeps times before that of the commit: those of a checkout must not come along.
    shutil.copytree(PACKAGING / "debian", tree / "debian", copy_function=shutil.copyfile)
    (tree / "debian/rules").chmod(0o755)
    date = run("date", "-uR", "-d", f"@{os.environ['SOURCE_DATE_EPOCH']}", capture_output=True, text=True).stdout
    (tree / "debian/changelog").write_text(
        f"tcpdwell ({version}) unstable; urgency=medium\n\n  * See CHANGELOG.md.\n\n"
        f" -- The tcpdwell authors <tcpdwell@localhost>  {date}")
    (tree / "debian/source").mkdir()
    (tree / "debian/source/format").write_text("3.0 (native)\n")
    for unit in UNITS:
        name, kind = unit.rsplit(".", 1)
        put(PACKAGING / "systemd" / unit, tree / f"debian/tcpdwell.{name}.{kind}")
    run("dpkg-buildpackage", "-b", "-us", "-uc", "-d", f"-a{arch}", cwd=tree, stdout=sys.stderr)
    return [work / f"tcpdwell_{version}_{arch}.deb"]


def make_rpm(work, arch, binary, pages, version):
    top = work / "rpm"
    tree = top / "stage"
    stage(tree, binary, pages, "zsh/site-functions", with_units=True)
    add_licences(tree)
    compress_pages(tree)
    (top / "SOURCES").mkdir()
    tar(tree, top / "SOURCES/stage.tar")
    define = {"_topdir": top, "tcpdwell_version": version, "_buildhost": "localhost",
              "use_source_date_epoch_as_buildtime": 1, "clamp_mtime_to_source_date_epoch": 1,
              "_binary_payload": "w19.zstdio", "__brp_strip": "%{nil}"}
    run("rpmbuild", "-bb", "--target", RPM_ARCH[arch], *(
        word for key, value in define.items() for word in ("--define", f"{key} {value}")),
        PACKAGING / "rpm/tcpdwell.spec", stdout=sys.stderr, stderr=sys.stderr)
    return list((top / "RPMS").rglob("*.rpm"))


def make_tarball(work, arch, binary, pages, version):
    name = f"tcpdwell-{version}-linux-{RPM_ARCH[arch]}"
    tree = work / "tar" / name
    stage(tree, binary, pages, "zsh/site-functions", with_units=True)
    add_licences(tree)
    target = work / f"{name}.tar.gz"
    run("tar", "--sort=name", f"--mtime=@{os.environ['SOURCE_DATE_EPOCH']}", "--owner=0", "--group=0",
        "--numeric-owner", "--format=gnu", "-I", "gzip -9n", "-cf", target, "-C", work / "tar", name)
    return [target]


def make_image(work, arch, binary, pages, version):
    target, tree = work / f"tcpdwell-{version}-{arch}.oci.tar", work / "image"
    stage(tree, binary, pages, "zsh/site-functions", with_units=True)
    add_licences(tree)
    oci.write(target, arch, tree, version, int(os.environ["SOURCE_DATE_EPOCH"]))
    return [target]


def publish(files):
    DIST.mkdir(exist_ok=True)
    made = []
    for file in files:
        target = DIST / file.name
        shutil.copyfile(file, f"{target}.new")
        os.replace(f"{target}.new", target)
        made.append(target)
        print(target)
    return made


MAKERS = {"deb": make_deb, "rpm": make_rpm, "tar": make_tarball, "image": make_image}


def make_pages(host, directory):
    run(sys.executable, PACKAGING / "man/make.py", host, directory, stdout=sys.stderr)
    return directory


def main():
    parser = argparse.ArgumentParser(description="make the packages")
    parser.add_argument("--host", required=True, type=pathlib.Path)
    parser.add_argument("--only", choices=("deb", "rpm", "tar", "image"), action="append")
    parser.add_argument("binaries", nargs="+", metavar="ARCH=BINARY")
    options = parser.parse_args()
    os.environ["SOURCE_DATE_EPOCH"] = epoch()
    os.umask(0o022)
    version, made = version_of(options.host), []
    with tempfile.TemporaryDirectory(prefix="tcpdwell-package-") as scratch:
        work = pathlib.Path(scratch)
        pages = make_pages(options.host, work / "man")
        for each in options.binaries:
            arch, _, binary = each.partition("=")
            own = work / arch
            own.mkdir()
            for kind, make in MAKERS.items():
                if options.only and kind not in options.only:
                    continue
                made += publish(make(own, arch, pathlib.Path(binary), pages, version))
            bill = own / f"tcpdwell-{version}-{arch}.spdx.json"
            sbom.write(bill, arch, pathlib.Path(binary), version, int(os.environ["SOURCE_DATE_EPOCH"]))
            made += publish([bill])
    sums = "".join(f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(made))
    (DIST / "SHA256SUMS").write_text(sums)
    print(DIST / "SHA256SUMS")


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError as failed:
        sys.exit(f"package: {failed.cmd[0]} failed: {failed.stderr or ''}")
