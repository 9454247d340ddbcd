"""The software bill of materials of a release binary: SPDX 2.3, with the libraries that are linked into it."""
import glob
import hashlib
import json
import os
import subprocess
import time
from urllib.parse import quote, unquote

import debian
from dist import SUITE

# Debian package of a library that is linked statically: its licence.
LIBRARIES = {
    "libc6-dev": "LGPL-2.1-or-later", "libstdc++-12-dev": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libbpf-dev": "LGPL-2.1-only OR BSD-2-Clause", "libelf-dev": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libdw-dev": "LGPL-3.0-or-later OR GPL-2.0-or-later", "liblzma-dev": "LicenseRef-public-domain",
    "libbz2-dev": "bzip2-1.0.6",
    "zlib1g-dev": "Zlib", "libabsl-dev": "Apache-2.0", "libspdlog-dev": "MIT", "libfmt-dev": "MIT",
    "libcli11-dev": "BSD-3-Clause", "libutf8proc-dev": "MIT", "libzstd-dev": "BSD-3-Clause OR GPL-2.0-only",
    "libxxhash-dev": "BSD-2-Clause", "libevent-dev": "BSD-3-Clause", "libprotozero-dev": "BSD-2-Clause"}


def _version(package, arch):
    """Of the installed package; for another architecture, of that which dist.py has unpacked."""
    own = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True).stdout.strip()
    if arch != own:
        files = glob.glob(os.path.join(debian.cache_dir("apt", f"{arch}-{SUITE}", "packages"), f"{package}_*.deb"))
        return unquote(os.path.basename(max(files, key=os.path.getmtime)).split("_")[1]) if files else "NOASSERTION"
    done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", package], capture_output=True, text=True,
                          check=False)
    return done.stdout if done.returncode == 0 and done.stdout else "NOASSERTION"


def write(target, arch, binary, version, epoch):
    digest = hashlib.sha256(binary.read_bytes()).hexdigest()
    own = {"SPDXID": "SPDXRef-tcpdwell", "name": "tcpdwell", "versionInfo": version,
           "downloadLocation": "NOASSERTION", "filesAnalyzed": False,
           "licenseConcluded": "Apache-2.0 AND (BSD-2-Clause OR GPL-2.0-only)",
           "licenseDeclared": "Apache-2.0 AND (BSD-2-Clause OR GPL-2.0-only)", "copyrightText": "NOASSERTION",
           "checksums": [{"algorithm": "SHA256", "checksumValue": digest}]}
    libraries = [{"SPDXID": f"SPDXRef-{package.replace('+', 'p')}", "name": package, "versionInfo": _version(package, arch),
                  "downloadLocation": "NOASSERTION", "filesAnalyzed": False, "licenseConcluded": licence,
                  "licenseDeclared": licence, "copyrightText": "NOASSERTION",
                  "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                    "referenceLocator": f"pkg:deb/debian/{quote(package)}@{quote(_version(package, arch))}?arch={arch}"}]}
                 for package, licence in LIBRARIES.items()]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES",
                  "relatedSpdxElement": "SPDXRef-tcpdwell"}]
    relations += [{"spdxElementId": "SPDXRef-tcpdwell", "relationshipType": "STATIC_LINK",
                   "relatedSpdxElement": library["SPDXID"]} for library in libraries]
    document = {
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"tcpdwell-{version}-{arch}", "documentNamespace": f"https://spdx.org/spdxdocs/tcpdwell-{digest}",
        "creationInfo": {"created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(epoch)),
                         "creators": ["Tool: tcpdwell-package"]},
        "packages": [own, *libraries], "relationships": relations}
    target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
