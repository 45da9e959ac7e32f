"""The worked configurations in docs/ are configurations."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fhirbridge import wiring
from fhirbridge.settings import read
from fhirbridge.yamlfile import load

FOLDER = Path(__file__).parents[1] / "docs" / "examples"
EXAMPLES = sorted(FOLDER.glob("*.yaml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_can_be_used(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(path, tmp_path)
    for name in secrets(load(path).data):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("secret\n")
    settings = read(tmp_path / path.name, {})
    assert wiring.home_of(settings)
    assert settings.write.default == "shadow"  # nobody writes by copying an example
    wiring.calendar(settings, wiring.now().date())


def secrets(data: object) -> list[str]:
    """The files that an example names as secrets."""
    if not isinstance(data, dict):
        return []
    here = [data["file"]] if set(data) == {"file"} else []
    return here + [name for each in data.values() for name in secrets(each)]
