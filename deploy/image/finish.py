"""Take out of an environment what no container needs, and list what an image of it consists of:

    python finish.py FOLDER STATUS [PATTERN …]

Tests, headers, maps of scripts, and files of the given PATTERNs go. FOLDER/sbom.spdx.json is the bill of materials
(SPDX 2.3): Python, its distributions in FOLDER, and the packages of Debian in dpkg's file STATUS, each with version,
licence and package URL.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

UNNEEDED_FOLDERS = ("tests", "include", "jars")
"""`jars` is Ray's, for programs in Java."""
UNNEEDED_FILES = ("*.a", "*.h", "*.js.map", "*.pxd", "*.pyx", "*_debug.so*")
LIBRARIES = Path("lib")
NAME = "taxi-mlops"

_LICENCE = re.compile(r"[A-Za-z0-9.+-]+(?: (?:AND|OR|WITH) [A-Za-z0-9.+-]+)*")
"""An expression of SPDX in its simple form; many older distributions have a text in its place."""


def main() -> None:
    """Clean the environment, and write its bill of materials."""
    environment, status = Path(sys.argv[1]).resolve(), Path(sys.argv[2])
    [packages] = (environment / LIBRARIES).glob("python3*/site-packages")
    before = _size(environment)
    _clean(environment, packages, [*UNNEEDED_FILES, *sys.argv[3:]])
    python = _package("python", platform.python_version(), "PSF-2.0", "generic")
    document = bill_of_materials([python, *_distributions(packages), *_debian(status)])
    (environment / "sbom.spdx.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(
        f"{before / 1e6:.0f} MB, then {_size(environment) / 1e6:.0f} MB; {len(document['packages']) - 1} packages\n"
    )


def bill_of_materials(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the document of SPDX 2.3 whose root, this image, contains the given packages."""
    root = _package(NAME, metadata.version(NAME), "MIT", "pypi")
    contained = [part for part in parts if part["name"] != NAME]
    digest = hashlib.sha256(json.dumps(contained, sort_keys=True).encode()).hexdigest()
    seconds = int(os.environ.get("SOURCE_DATE_EPOCH", "0")) or None
    created = datetime.fromtimestamp(seconds, UTC) if seconds else datetime.now(UTC)
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{NAME}-{root['versionInfo']}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{NAME}-{root['versionInfo']}-{digest}",
        "creationInfo": {"created": f"{created:%Y-%m-%dT%H:%M:%SZ}", "creators": [f"Tool: {NAME}"]},
        "packages": [root, *contained],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", root),
            *(_relation(root["SPDXID"], "CONTAINS", part) for part in contained),
        ],
    }


def _clean(environment: Path, packages: Path, patterns: list[str]) -> None:
    (environment / ".lock").unlink(missing_ok=True)
    for name in UNNEEDED_FOLDERS:
        for folder in [path for path in packages.glob(f"*/**/{name}") if path.is_dir()]:
            if name == "tests" or not (folder / "__init__.py").exists():
                shutil.rmtree(folder, ignore_errors=True)
    for pattern in patterns:
        for path in [*packages.rglob(pattern), *(environment / LIBRARIES).glob(pattern)]:
            path.unlink(missing_ok=True)


def _distributions(packages: Path) -> Iterator[dict[str, Any]]:
    for found in sorted(metadata.distributions(path=[str(packages)]), key=lambda one: one.metadata["Name"].lower()):
        name = found.metadata["Name"]
        yield _package(name, found.version, found.metadata.get("License-Expression") or "", "pypi")


def _debian(status: Path) -> Iterator[dict[str, Any]]:
    for paragraph in status.read_text(encoding="utf-8").split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if re.match(r"[A-Z][\w-]*: ", line))
        if "installed" in fields.get("Status", "").split():
            yield _package(fields["Package"], fields["Version"], "", "deb/debian")


def _package(name: str, version: str, licence: str, kind: str) -> dict[str, Any]:
    place = name.lower().replace("_", "-")
    return {
        "SPDXID": f"SPDXRef-{kind.partition('/')[0]}-{re.sub(r'[^A-Za-z0-9.-]', '-', name)}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseDeclared": licence if _LICENCE.fullmatch(licence) else "NOASSERTION",
        "licenseConcluded": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "externalRefs": [
            {
                "referenceCategory": "PACKAGE-MANAGER",
                "referenceType": "purl",
                "referenceLocator": f"pkg:{kind}/{place}@{version.replace(':', '%3A').replace('+', '%2B')}",
            }
        ],
    }


def _relation(one: str, kind: str, other: dict[str, Any]) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other["SPDXID"]}


def _size(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())


if __name__ == "__main__":
    main()
