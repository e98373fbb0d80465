"""Audit what the lock file names: hashes, licences, known vulnerabilities. `make audit` runs it.

    python tools/audit.py [--strict] [--service-url URL]

Vulnerabilities are those of https://osv.dev, by `uv audit`. Where it cannot be reached, a line says that they were not
checked; with --strict that is a failure. Licences are those that the installed packages declare; `licences.toml` has
the ones that are allowed, and exceptions with their reasons.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parent.parent
LICENCES = Path(__file__).with_name("licences.toml")
_SECONDS = 300
_PREFIXES = ("License :: OSI Approved :: ", "License :: ")
_NO_LICENCE = {"OSI Approved", "DFSG approved", "Other/Proprietary License"}
_UNREACHABLE = re.compile(r"error sending request|dns error|failed to fetch|timed out|connection", re.IGNORECASE)


def packages(lock: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the packages of a lock file that come from a registry."""
    return [each for each in lock["package"] if "registry" in each.get("source", {})]


def without_hash(lock: Mapping[str, Any]) -> Iterator[str]:
    """Return the files of a lock file that have no SHA-256."""
    for package in packages(lock):
        for file in (*package.get("wheels", ()), *([package["sdist"]] if "sdist" in package else ())):
            if not str(file.get("hash", "")).startswith("sha256:"):
                yield f"{package['name']} {package['version']}: {file.get('url')} has no SHA-256"


def licence_of(package: Distribution) -> str:
    """Return the licence that a package declares: as an SPDX expression, by classifiers, or as text."""
    if expression := package.metadata.get("License-Expression"):
        return str(expression)
    classifiers = package.metadata.get_all("Classifier") or []
    named = [text for text in classifiers if text.startswith("License ::")]
    found = [text.removeprefix(_PREFIXES[0]).removeprefix(_PREFIXES[1]) for text in named]
    found = [text for text in found if text not in _NO_LICENCE]
    text = str(package.metadata.get("License") or "").strip()
    return " OR ".join(found) or text.partition("\n")[0][:80]


def allowed(licence: str, names: frozenset[str]) -> bool:
    """Return whether a licence is allowed: each part of an `AND`, one part of an `OR`."""
    bare = licence.replace("(MPL 2.0)", "").replace("(ISCL)", "")
    bare = re.sub(r"\(([^()]*)\)", lambda found: "yes" if allowed(found[1], names) else "no", bare)
    return any(
        all(part.strip() in names | {"yes"} for part in re.split(r" AND |, ", each)) for each in bare.split(" OR ")
    )


def wrong_licences(names: frozenset[str], exceptions: Mapping[str, str], wanted: frozenset[str]) -> Iterator[str]:
    """Return the packages of the lock file whose licence is not allowed."""
    for package in distributions():
        name = re.sub(r"[-_.]+", "-", package.metadata["Name"] or "").lower()
        if name in wanted and name not in exceptions and not allowed(licence := licence_of(package), names):
            yield f"{name} {package.version}: {licence or 'declares no licence'}"


def advisories(service_url: str | None) -> tuple[bool, list[str]]:
    """Return whether vulnerabilities could be checked, and what was found."""
    uv = shutil.which("uv", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin") or shutil.which("uv")
    if uv is None:
        return False, ["uv is not installed"]
    command = [uv, "audit", "--frozen", "--preview", "--output-format", "json"]
    command += ["--service-url", service_url] if service_url else []
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return False, [f"no answer within {_SECONDS} s"]
    try:
        report = json.loads(done.stdout)
    except ValueError:
        said = [line.removeprefix("cause: ") for line in map(str.strip, done.stderr.splitlines()) if line]
        unreachable = any(map(_UNREACHABLE.search, said))
        return False, ["osv.dev cannot be reached" if unreachable else " ".join(said)[-300:]]
    return True, list(_named(report))


def _named(report: Mapping[str, Any]) -> Iterator[str]:
    for each in report["vulnerabilities"]:
        package = each["dependency"]
        fixed = f" (fixed in {', '.join(each['fix_versions'])})" if each.get("fix_versions") else ""
        yield f"{package['name']} {package['version']}: {each['id']} {each.get('summary') or ''}{fixed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what was found; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strict", action="store_true", help="fail where vulnerabilities cannot be checked")
    parser.add_argument("--service-url", help="an OSV service of one's own")
    given = parser.parse_args(arguments)
    lock = tomllib.loads((REPOSITORY / "uv.lock").read_text(encoding="utf-8"))
    rules = tomllib.loads(LICENCES.read_text(encoding="utf-8"))
    wanted = frozenset(each["name"] for each in packages(lock))
    checked, found = advisories(given.service_url)
    results = {
        "hashes": list(without_hash(lock)),
        "licences": list(wrong_licences(frozenset(rules["allowed"]), rules["exceptions"], wanted)),
        "vulnerabilities": found if checked else [],
    }
    for name, wrong in results.items():
        if name == "vulnerabilities" and not checked:
            print(f"{name}: NOT CHECKED: {'; '.join(found)}")
            continue
        print(f"{name}: {len(wrong) or 'none'} wrong, of {len(wanted)} packages")
        for line in wrong:
            print(f"  {line}")
    return int(any(results.values()) or (given.strict and not checked))


if __name__ == "__main__":
    sys.exit(main())
