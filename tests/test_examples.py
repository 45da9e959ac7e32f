"""The worked configurations in docs/ are configurations."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from fhirbridge import wiring
from fhirbridge.cli.main import main
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


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_commands_take_an_example(
    path: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """As somebody does who copied it: `config check`, then `config show`, secrets masked."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(path, tmp_path / "fhirbridge.yaml")
    names = secrets(load(path).data)

    def call(what: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["fhirbridge", "config", what])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out + said.err

    if names:  # what is still to be done is said by its name
        code, said = call("check")
        assert code == 2
        assert any(Path(name).name in said for name in names), said
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("c4nary\n")
    code, said = call("check")
    assert (code, "can be used" in said) == (0, True), said
    code, said = call("show")
    assert code == 0
    assert "c4nary" not in said
    for name in load(path).data["servers"]:
        assert f"  {name}:\n" in said


def secrets(data: object) -> list[str]:
    """The files that an example names as secrets."""
    if not isinstance(data, dict):
        return []
    here = [data["file"]] if set(data) == {"file"} else []
    return here + [name for each in data.values() for name in secrets(each)]
