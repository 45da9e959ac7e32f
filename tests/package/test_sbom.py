"""The list of what the image is made of has all of it, as a scanner looks it up."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_each_pinned_package_is_in_it_with_its_version_and_hashes() -> None:
    subprocess.run(["make", "sbom"], cwd=ROOT, check=True, capture_output=True)
    found = json.loads((ROOT / "dist" / "sbom.json").read_bytes())
    assert found["bomFormat"] == "CycloneDX"
    assert found["metadata"]["component"]["name"] == "fhirbridge"
    listed = {each["purl"]: each for each in found["components"]}
    pins = re.findall(
        r"^([\w.\-]+)(?:\[[^\]]*\])?==([^\s;\\]+)",
        (ROOT / "requirements" / "base.txt").read_text("utf-8"),
        re.M,
    )
    assert len(pins) > 50
    for name, version in pins:
        plain = re.sub(r"[-_.]+", "-", name).lower()
        component = listed[f"pkg:pypi/{plain}@{version}"]
        assert any(each.get("hashes") for each in component["externalReferences"]), name
