"""`fhirbridge deliveries`: what was not understood is kept, shown, and heard again."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from fhirbridge.cli.main import app
from fhirbridge.fhir import jsonio, notify
from fhirbridge.fhir.payload import Unreadable
from tests.bridge.estate import Estate, dispense

WORSE = b'{"resourceType": "Nonsense", "name": "Canary Jones"}'


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Estate:
    """A site to which one notification was sent that can be read tomorrow, and one that cannot."""
    estate = Estate(tmp_path)
    body = gzip.compress(jsonio.dumps(dispense("d-7")))

    def not_yet(_headers: object, _body: bytes) -> None:
        raise Unreadable("the body is of a kind that comes with the next release")

    with monkeypatch.context() as today:
        today.setattr(notify, "document_of", not_yet)
        estate.notify("pharmacy", "POST", "", body)
        estate.notify("pharmacy", "POST", "", b"neither")
    estate.bridge.close()
    monkeypatch.chdir(tmp_path)
    said = estate.settings.model_dump(mode="json", exclude_defaults=True)
    Path("fhirbridge.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    return estate


def call(*words: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["deliveries", *words])
    return done.exit_code, done.output


def test_they_are_listed_shown_and_heard_again(site: Estate) -> None:
    code, listed = call("--format", "json")
    rows = jsonio.loads(listed.encode())
    assert code == 0
    assert [row["problem"] for row in rows] == [
        "the body is of a kind that comes with the next release"
    ] * 2
    worse, better = (row["number"] for row in rows)  # the newest first
    assert call("show", str(worse)) == (0, "neither")
    code, said = call("again", "--all")
    assert code == 1  # something is left
    assert f"{better}: understood as resource, 1 events" in said
    assert f"{worse}: the body is no JSON" in said
    code, listed = call("--format", "json")
    assert [row["number"] for row in jsonio.loads(listed.encode())] == [worse]
    site.bridge = site.another()
    newest = site.bridge.store.recent(1)[0]
    assert [event.id for event in newest.events] == ["d-7"]
    site.close()


def test_it_is_unpacked_again_however_it_was_packed(site: Estate) -> None:
    """Its headers are not known any more, but for the type."""
    site.bridge = site.another()
    for level in (1, 6, 9):
        body = zlib.compress(jsonio.dumps(dispense(f"d-{level}")), level)
        site.notify("pharmacy", "POST", "", body)  # nobody said that it was packed
    newest = site.bridge.store.troubled(3)
    for each in newest:
        again = site.bridge.intake.again(each, site.bridge.store.body(each))
        assert (again.dialect, again.events) == ("resource", 1)
    site.close()


def test_nothing_is_shown_of_what_they_hold(site: Estate) -> None:
    site.bridge = site.another()
    site.notify("pharmacy", "POST", "", WORSE)
    site.close()
    assert "Canary" not in call()[1]
    assert "Canary" not in call("again", "--all")[1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("show",), "name the one to show"),
        (("again",), "name what to hear again"),
        (("again", "1", "--all"), "name what to hear again"),
        (("show", "4711"), "4711: no such delivery"),
    ],
)
def test_what_is_wrong_is_said(site: Estate, words: tuple[str, ...], said: str) -> None:
    del site
    done = CliRunner().invoke(app, ["deliveries", *words])
    assert done.exit_code
    assert said in str(done.exception)
