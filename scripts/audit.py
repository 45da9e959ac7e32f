"""Are vulnerabilities known of what we install? Asked of OSV (osv.dev), or of a copy of its data.

    python scripts/audit.py                          asks api.osv.dev: names and versions only
    python scripts/audit.py --advisories all.zip     offline; OSV publishes the file for PyPI

Exit codes: 0 none is known · 1 some are, each named · 77 NOT AUDITED: no advisories were to be had.
$FHIRBRIDGE_TEST_AUDIT=required makes that a failure, for a CI that has the network.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

ROOT = Path(__file__).parents[1]
LOCKS = ("base.txt", "otel.txt", "build.txt", "compiled.txt")
OSV = "https://api.osv.dev/v1/querybatch"
FINE, FOUND, NOT_AUDITED = 0, 1, 77
Pins = Mapping[str, str]


def pinned(folder: Path = ROOT / "requirements") -> dict[str, str]:
    """Every package of the locks, with its version."""
    texts = [(folder / name).read_text("utf-8") for name in LOCKS]
    lines = re.findall(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==([^ ;\\]+)", "\n".join(texts), re.M)
    return {canonicalize_name(name): version for name, version in lines}


def asked(pins: Pins) -> dict[str, list[str]]:
    """By package the advisories that OSV knows. Raises OSError when it does not answer."""
    queries = [
        {"package": {"name": name, "ecosystem": "PyPI"}, "version": version}
        for name, version in pins.items()
    ]
    body = json.dumps({"queries": queries}).encode()
    request = urllib.request.Request(OSV, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        results = json.load(answer)["results"]
    found = {
        name: sorted(each["id"] for each in result.get("vulns") or ())
        for name, result in zip(pins, results, strict=True)
    }
    return {name: ids for name, ids in found.items() if ids}


def read(pins: Pins, file: Path) -> dict[str, list[str]]:
    """The same from OSV's published file."""
    found: dict[str, list[str]] = {}
    for advisory in _advisories(file):
        for affected in () if advisory.get("withdrawn") else advisory.get("affected") or ():
            package = affected.get("package") or {}
            name = canonicalize_name(str(package.get("name")))
            if package.get("ecosystem") == "PyPI" and name in pins and _hits(affected, pins[name]):
                found.setdefault(name, []).append(str(advisory["id"]))
    return {name: sorted(set(ids)) for name, ids in found.items()}


def _advisories(file: Path) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(file) as archive:
        for name in archive.namelist():
            if name.endswith(".json"):
                yield json.loads(archive.read(name))


def _hits(affected: Mapping[str, Any], pinned_version: str) -> bool:
    """OSV schema, "affected": a version is listed, or lies in a range of versions."""
    if pinned_version in (affected.get("versions") or ()):
        return True
    version = Version(pinned_version)
    ranges = [each for each in affected.get("ranges") or () if each.get("type") == "ECOSYSTEM"]
    return any(_within(each.get("events") or (), version) for each in ranges)


def _within(events: Any, version: Version) -> bool:
    inside = False
    for event in events:  # in the order of versions
        for what, text in event.items():
            try:
                at = Version("0" if text == "0" else text)
            except InvalidVersion:
                return True  # better a false alarm than none
            if what == "introduced" and version >= at:
                inside = True
            elif (what == "fixed" and version >= at) or (what == "last_affected" and version > at):
                inside = False
    return inside


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--advisories", type=Path, metavar="ZIP", help="OSV's all.zip for PyPI")
    given: Path | None = parser.parse_args().advisories
    pins = pinned()
    try:
        found = read(pins, given) if given else asked(pins)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        print(
            f"NOT AUDITED: {given or 'api.osv.dev'} gives no advisories ({type(error).__name__});"
            " give OSV's file for PyPI with --advisories",
            file=sys.stderr,
        )
        return FOUND if os.environ.get("FHIRBRIDGE_TEST_AUDIT") == "required" else NOT_AUDITED
    for name, ids in found.items():
        print(f"{name} {pins[name]}: {', '.join(ids)}")
    print(f"{len(pins)} packages, {len(found)} with known vulnerabilities")
    return FOUND if found else FINE


if __name__ == "__main__":
    sys.exit(main())
