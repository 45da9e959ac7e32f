"""History of a resource, a type and the server, deletes among it."""

from __future__ import annotations

from tests.contract.driver import Fhir


def test_the_history_of_a_resource_tells_its_deletion(fhir: Fhir) -> None:
    task = fhir.made(fhir.task())
    fhir.made(fhir.task(status="accepted"))
    fhir.call("DELETE", f"Task/{task['id']}")
    bundle = fhir.get(f"Task/{task['id']}/_history").body
    assert bundle["type"] == "history"
    last, second, first = bundle["entry"]
    assert last["request"]["method"] == "DELETE"
    assert f"Task/{task['id']}" in last["request"]["url"]
    assert "resource" not in last
    assert second["resource"]["meta"]["versionId"] == "2"
    assert first["resource"]["status"] == "requested"


def test_the_history_of_a_type_since_a_moment(fhir: Fhir) -> None:
    fhir.made(fhir.task("before"))
    stamp = fhir.made(fhir.task("at"))["meta"]["lastUpdated"].replace("+00:00", "Z")
    fhir.made(fhir.task("gone"))
    fhir.call("DELETE", f"Task/{fhir.id('gone')}")
    for path in ("Task/_history", "_history"):
        entries = [e for page in fhir.pages(f"{path}?_since={stamp}") for e in page["entry"]]
        mine = [e for e in entries if fhir.u in e["request"]["url"]]
        urls = ["/".join(e["request"]["url"].split("/")[:2]) for e in mine]
        gone, at = f"Task/{fhir.id('gone')}", f"Task/{fhir.id('at')}"
        assert urls == [gone, gone, at]
        assert [e["request"]["method"] == "DELETE" for e in mine] == [True, False, False]


def test_history_has_pages(fhir: Fhir) -> None:
    for status in ("draft", "requested", "accepted", "completed"):
        task = fhir.made(fhir.task(status=status))
    pages = list(fhir.pages(f"Task/{task['id']}/_history?_count=3"))
    assert [len(page["entry"]) for page in pages] == [3, 1]


def test_the_history_of_nothing_is_not_found(fhir: Fhir) -> None:
    assert fhir.get(f"Task/{fhir.id('none')}/_history").status == fhir.profile.history_of_nothing
