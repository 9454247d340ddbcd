# SPDX-License-Identifier: Apache-2.0
"""The example for nginx: TLS and a password before the exporter."""
import os
import pathlib
import ssl
import subprocess
import urllib.error
import urllib.request

import pytest

from lib.exporter import Exporter
from lib.netns import Netns
from lib.patience import start, wait_for

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "monitoring/nginx.conf"


@pytest.fixture(autouse=True)
def _netns():
    with Netns.current().inside():
        yield Netns.create()


def test_nginx_adds_tls_and_a_password(tmp_path):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj",
                    "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout",
                    tmp_path / "server.key", "-out", tmp_path / "server.crt"],
                   check=True, capture_output=True)
    hashed = subprocess.run(["openssl", "passwd", "-apr1", "secret"], check=True, text=True,
                            capture_output=True).stdout
    (tmp_path / "htpasswd").write_text(f"prometheus:{hashed}")
    os.chmod(tmp_path, 0o755)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        os.chmod(parent, 0o755)
    (tmp_path / "example.conf").write_text(
        EXAMPLE.read_text().replace("/etc/tcpdwell/tls", str(tmp_path)))
    (tmp_path / "nginx.conf").write_text(
        f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off; include {tmp_path}/example.conf; }}\n")
    with Exporter("--netns", "self") as exporter:
        exporter.first_page()
        nginx = start(["nginx", "-c", str(tmp_path / "nginx.conf")], stderr=subprocess.DEVNULL)
        try:
            trusted = urllib.request.HTTPSHandler(context=ssl.create_default_context(
                cafile=tmp_path / "server.crt"))
            passwords = urllib.request.HTTPPasswordMgrWithDefaultRealm()
            passwords.add_password(None, "https://localhost:9854/", "prometheus", "secret")
            known = urllib.request.build_opener(
                trusted, urllib.request.HTTPBasicAuthHandler(passwords))
            stranger = urllib.request.build_opener(trusted)

            def page():
                try:
                    return known.open("https://localhost:9854/metrics", timeout=30).read()
                except urllib.error.URLError as error:
                    if isinstance(error.reason, ConnectionRefusedError):
                        return None  # nginx does not listen yet
                    raise
            assert b"tcpdwell_build_info" in wait_for(page, "nginx")
            with pytest.raises(urllib.error.HTTPError) as refused:
                stranger.open("https://localhost:9854/metrics", timeout=30)
            assert refused.value.code == 401
        finally:
            nginx.terminate()
            nginx.wait()
