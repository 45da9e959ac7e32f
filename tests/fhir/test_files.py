"""Resources out of files of every shape."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fhirbridge.fhir.files import resources
from fhirbridge.fhir.jsonio import NotJson

PATIENT = b'{"resourceType":"Patient","id":"%b"}'


def test_a_folder_of_all_shapes(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    (below / "a.json").write_bytes(PATIENT % b"a")
    (below / "b.ndjson").write_bytes(PATIENT % b"b1" + b"\n\n" + PATIENT % b"b2" + b"\n")
    (below / "c.ndjson.gz").write_bytes(gzip.compress(PATIENT % b"c"))
    bundle = b'{"resourceType":"Bundle","entry":[{"resource":%b},{}]}' % (PATIENT % b"d")
    (tmp_path / "d.json").write_bytes(bundle)
    (tmp_path / "readme.txt").write_text("not read")
    assert [one["id"] for one in resources([tmp_path])] == ["a", "b1", "b2", "c", "d"]


@pytest.mark.parametrize("content", [b"hello", b"[]", b'{"id":"x"}'])
def test_what_is_no_resource_is_named_by_its_place(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bad.ndjson"
    file.write_bytes(PATIENT % b"a" + b"\n" + content)
    with pytest.raises(NotJson, match=r"bad\.ndjson:2: "):
        list(resources([file]))
