"""A container image as an OCI layout in a tar file: one layer, with the static binary and what belongs to it."""
import gzip
import hashlib
import io
import json
import tarfile
import time


def _add(archive, name, content, epoch, mode=0o644):
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode = len(content), epoch, mode
    archive.addfile(info, io.BytesIO(content))


def _add_directory(archive, name, epoch, mode=0o755):
    info = tarfile.TarInfo(name)
    info.type, info.mtime, info.mode = tarfile.DIRTYPE, epoch, mode
    archive.addfile(info)


def _digest(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def _json(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _layer(tree, epoch):
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for directory in ("proc", "run", "sys"):  # mounted by the runtime
            _add_directory(archive, directory, epoch)
        _add_directory(archive, "tmp", epoch, 0o1777)
        for path in sorted(tree.rglob("*")):
            name, mode = str(path.relative_to(tree)), path.stat().st_mode & 0o777
            if path.is_dir():
                _add_directory(archive, name, epoch, mode)
            else:
                _add(archive, name, path.read_bytes(), epoch, mode)
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 9, packed, mtime=0) as file:
        file.write(raw.getvalue())
    return raw.getvalue(), packed.getvalue()


def write(target, arch, tree, version, epoch):
    raw, layer = _layer(tree, epoch)
    labels = {"org.opencontainers.image.title": "tcpdwell", "org.opencontainers.image.version": version,
              "org.opencontainers.image.licenses": "Apache-2.0 AND (BSD-2-Clause OR GPL-2.0-only)"}
    config = _json({
        "architecture": arch, "os": "linux",
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
        "config": {"Entrypoint": ["/usr/bin/tcpdwell"], "Cmd": ["export"], "Labels": labels,
                   "ExposedPorts": {"9853/tcp": {}}, "Env": ["PATH=/usr/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [_digest(raw)]}})

    def described(kind, content):
        return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": _digest(content), "size": len(content)}

    manifest = _json({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                      "config": described("config.v1+json", config),
                      "layers": [described("layer.v1.tar+gzip", layer)]})
    index = _json({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [{
        **described("manifest.v1+json", manifest), "platform": {"architecture": arch, "os": "linux"},
        "annotations": {"org.opencontainers.image.ref.name": version}}]})
    with tarfile.open(target, "w", format=tarfile.GNU_FORMAT) as archive:
        for directory in ("blobs", "blobs/sha256"):
            _add_directory(archive, directory, epoch)
        for blob in sorted((config, layer, manifest), key=_digest):
            _add(archive, "blobs/sha256/" + _digest(blob).removeprefix("sha256:"), blob, epoch)
        _add(archive, "index.json", index, epoch)
        _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}), epoch)
