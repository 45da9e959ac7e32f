"""The supervisor: Subscriptions are made once, found again, watched, and given up for polling."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge import wiring
from fhirbridge.bridge.intake import Refused
from fhirbridge.fhir.subscription import sign_of
from fhirbridge.sandbox.resources import Resource
from fhirbridge.supervisor import Supervisor
from tests.bridge.estate import Answer, Estate, Json, dispense

pytestmark = pytest.mark.lives

URL = "http://bridge.example"


@pytest.fixture
def supervisor(estate: Estate) -> Supervisor:
    for row in estate.bridge.store.subscriptions():
        estate.bridge.store.forget_subscription(row.source, row.type)
    return made(estate)


def made(estate: Estate) -> Supervisor:
    ids = iter(f"word-{n}" for n in range(1000))
    return wiring.supervise(estate.settings, estate.bridge, public_url=URL, ids=lambda: next(ids))


def on(estate: Estate, server: str) -> list[Resource]:
    return [
        each.resource
        for each in estate.servers[server].shelf.current("Subscription")
        if each.resource
    ]


def says(estate: Estate, server: str, status: str) -> None:
    """The server changes the status of its Subscriptions."""
    for each in on(estate, server):
        estate.put(server, {**each, "status": status}, tell=False)


def later(estate: Estate, supervisor: Supervisor, **by: float) -> None:
    estate.later(**by)
    supervisor.step()


def states(estate: Estate, server: str) -> set[str]:
    return {row.state for row in estate.bridge.store.subscriptions() if row.source == server}


def test_one_subscription_for_each_type_with_its_own_key_and_secret(
    estate: Estate, supervisor: Supervisor
) -> None:
    supervisor.step()
    asked: list[Json] = on(estate, "ehr")
    assert {each["criteria"] for each in asked} == {
        "Patient?",
        "MedicationRequest?",
        "ServiceRequest?",
        "Appointment?",
        "MedicationAdministration?",
        "Task?",
    }
    channels = [each["channel"] for each in asked]
    assert len({channel["endpoint"] for channel in channels}) == len(asked)
    assert len({channel["header"][0] for channel in channels}) == len(asked)
    assert all(channel["endpoint"].startswith(f"{URL}/notify/ehr/") for channel in channels)
    assert not supervisor.settled()


def test_active_is_seen_and_leads_to_a_sweep(estate: Estate, supervisor: Supervisor) -> None:
    supervisor.step()
    for server in estate.servers:
        says(estate, server, "active")
    later(estate, supervisor, seconds=1)
    assert supervisor.settled()
    assert states(estate, "ehr") == {"active"}
    assert estate.bridge.store.mark("ehr:*")


def test_a_restart_makes_no_second_copy(estate: Estate, supervisor: Supervisor) -> None:
    supervisor.step()
    says(estate, "ehr", "active")
    later(estate, supervisor, seconds=1)
    again = made(estate)
    again.step()
    later(estate, again, minutes=10)
    assert len(on(estate, "ehr")) == 6
    assert states(estate, "ehr") == {"active"}


def test_a_lost_store_takes_the_old_ones_over(estate: Estate, supervisor: Supervisor) -> None:
    supervisor.step()
    before = {each["channel"]["endpoint"] for each in on(estate, "ehr")}
    for row in estate.bridge.store.subscriptions():
        estate.bridge.store.forget_subscription(row.source, row.type)
    ids = iter(f"new-{n}" for n in range(1000))
    again = wiring.supervise(estate.settings, estate.bridge, public_url=URL, ids=lambda: next(ids))
    again.step()
    later(estate, again, seconds=1)
    after = {each["channel"]["endpoint"] for each in on(estate, "ehr")}
    assert len(on(estate, "ehr")) == 6
    assert not before & after


def test_an_error_is_asked_again_and_a_vanished_one_is_made_again(
    estate: Estate, supervisor: Supervisor
) -> None:
    supervisor.step()
    says(estate, "ehr", "active")
    later(estate, supervisor, seconds=1)
    says(estate, "ehr", "error")
    later(estate, supervisor, minutes=6)
    assert states(estate, "ehr") == {"error"}
    later(estate, supervisor, minutes=6)
    assert {each["status"] for each in on(estate, "ehr")} == {"requested"}
    for each in on(estate, "ehr"):
        estate.remove("ehr", f"Subscription/{each['id']}", tell=False)
    for _ in range(4):
        later(estate, supervisor, minutes=6)
    assert len(on(estate, "ehr")) == 6


def test_a_channel_that_never_starts_is_given_up_and_polled(
    estate: Estate, supervisor: Supervisor
) -> None:
    supervisor.step()
    later(estate, supervisor, minutes=6)
    assert states(estate, "ehr") == {"refused"}
    assert supervisor.settled()


def test_a_server_that_is_down_is_asked_again(estate: Estate, supervisor: Supervisor) -> None:
    estate.servers["payer"].down = 503
    supervisor.step()
    assert states(estate, "payer") == {"absent"}
    assert states(estate, "ehr") == {"requested"}
    estate.servers["payer"].down = None
    later(estate, supervisor, minutes=1)
    assert states(estate, "payer") == {"requested"}


def test_remove_deletes_them_all(estate: Estate, supervisor: Supervisor) -> None:
    supervisor.step()
    assert supervisor.remove() == 14
    assert not on(estate, "ehr")
    assert not estate.bridge.store.subscriptions()


def active(estate: Estate, supervisor: Supervisor) -> None:
    """Every Subscription is asked for and has started."""
    supervisor.step()
    for server in estate.servers:
        says(estate, server, "active")
    later(estate, supervisor, seconds=1)
    assert supervisor.settled()


def problems(estate: Estate, server: str) -> set[str | None]:
    return {row.problem for row in estate.bridge.store.subscriptions() if row.source == server}


def test_who_is_polled_instead_says_why_and_comes_back_to_push(
    estate: Estate, supervisor: Supervisor
) -> None:
    supervisor.step()
    later(estate, supervisor, minutes=6)
    assert all("polled instead" in (why or "") for why in problems(estate, "ehr"))
    later(estate, supervisor, minutes=61)  # it is tried again
    assert states(estate, "ehr") == {"requested"}
    says(estate, "ehr", "active")
    later(estate, supervisor, seconds=1)
    assert states(estate, "ehr") == {"active"}
    assert problems(estate, "ehr") == {None}
    assert estate.bridge.store.mark("ehr:*")


def test_a_server_that_refuses_subscriptions_is_polled_and_says_so(
    estate: Estate, supervisor: Supervisor
) -> None:
    def refuse(request: httpx.Request, go: Answer) -> httpx.Response:
        if request.method != "POST":
            return go(request)
        issue = {"severity": "error", "code": "processing", "diagnostics": "HAPI-2672: no"}
        return httpx.Response(412, json={"resourceType": "OperationOutcome", "issue": [issue]})

    estate.servers["payer"].around = refuse
    supervisor.step()
    assert states(estate, "payer") == {"refused"}
    assert all("HAPI-2672" in (why or "") for why in problems(estate, "payer"))
    estate.servers["payer"].around = lambda request, go: go(request)
    later(estate, supervisor, minutes=61)
    assert states(estate, "payer") == {"requested"}


def test_it_is_renewed_before_its_server_drops_it(tmp_path: Path) -> None:
    estate = Estate(tmp_path)
    estate.settings.servers["ehr"] = estate.settings.servers["ehr"].model_copy(
        update={"profile": "hapi-public", "only_tagged": "urn:st-mary|test"}
    )
    estate.restart()
    supervisor = made(estate)
    for row in estate.bridge.store.subscriptions():
        estate.bridge.store.forget_subscription(row.source, row.type)
    active(estate, supervisor)
    for _ in range(9):
        later(estate, supervisor, minutes=5)
    assert states(estate, "ehr") == {"requested"}
    assert states(estate, "payer") == {"active"}
    assert {each["status"] for each in on(estate, "ehr")} == {"requested"}
    estate.close()


def test_an_end_that_the_server_set_is_not_waited_for(
    estate: Estate, supervisor: Supervisor
) -> None:
    active(estate, supervisor)
    ends = (estate.clock.now + timedelta(days=1)).isoformat()
    for each in on(estate, "ehr"):
        estate.put("ehr", {**each, "end": ends}, tell=False)
    later(estate, supervisor, hours=18)
    assert states(estate, "ehr") == {"active"}
    later(estate, supervisor, hours=2)
    assert states(estate, "ehr") == {"requested"}


def test_what_is_no_longer_asked_for_is_removed(estate: Estate, supervisor: Supervisor) -> None:
    active(estate, supervisor)
    server = estate.settings.servers["payer"]
    estate.settings.servers["payer"] = server.model_copy(update={"subscribe": "poll"})
    estate.restart()
    made(estate).step()
    assert not on(estate, "payer")
    assert not states(estate, "payer")
    assert len(on(estate, "ehr")) == 6


def test_another_channel_replaces_the_subscription_where_it_stands(
    estate: Estate, supervisor: Supervisor
) -> None:
    active(estate, supervisor)
    before = {each["id"] for each in on(estate, "ehr")}
    server = estate.settings.servers["ehr"]
    estate.settings.servers["ehr"] = server.model_copy(update={"subscribe": "websocket"})
    estate.restart()
    made(estate).step()
    assert {each["channel"]["type"] for each in on(estate, "ehr")} == {"websocket"}
    assert {each["id"] for each in on(estate, "ehr")} == before


def test_a_new_secret_leaves_no_moment_in_which_none_is_taken(
    estate: Estate, supervisor: Supervisor
) -> None:
    active(estate, supervisor)
    (old,) = [row for row in estate.bridge.store.subscriptions() if row.type == "Task"]
    assert supervisor.rotate() == (14, {})
    (new,) = [row for row in estate.bridge.store.subscriptions() if row.type == "Task"]
    assert new.secret != old.secret
    (asked,) = [each for each in on(estate, "ehr") if each["criteria"] == "Task?"]
    assert asked["channel"]["header"] == [f"X-Fhirbridge-Secret: {new.secret}"]
    for secret in (old.secret, new.secret):
        headers = {"x-fhirbridge-secret": secret}
        estate.bridge.intake.hear("ehr", new.key, "POST", "", headers, b"").on_disk.result(5)
    for server in estate.servers:
        says(estate, server, "active")
    later(estate, supervisor, minutes=1)
    later(estate, supervisor, days=2)
    estate.bridge.intake.renew()
    headers = {"x-fhirbridge-secret": old.secret}
    with pytest.raises(Refused):
        estate.bridge.intake.hear("ehr", new.key, "POST", "", headers, b"")


def test_a_server_that_did_not_take_the_new_secret_goes_on_with_the_old(
    estate: Estate, supervisor: Supervisor
) -> None:
    """Also where it took it and only its answer was lost: then it sends the new one."""
    active(estate, supervisor)
    before = {(row.source, row.type): row.secret for row in estate.bridge.store.subscriptions()}
    later(estate, supervisor, days=3)  # they have stood for longer than an old secret is taken
    estate.servers["payer"].down = 503
    changed, failed = supervisor.rotate()
    assert (changed, list(failed)) == (8, ["payer"])
    assert "503" in str(failed["payer"])
    estate.servers["payer"].down = None
    later(estate, supervisor, minutes=10)
    estate.bridge.intake.renew()
    for row in estate.bridge.store.subscriptions():
        if row.source == "payer":
            assert row.secret == before["payer", row.type]
        for secret in filter(None, (row.secret, row.previous_secret)):
            headers = {"x-fhirbridge-secret": secret}
            estate.bridge.intake.hear(row.source, row.key, "POST", "", headers, b"")
    tried = [row for row in estate.bridge.store.subscriptions() if row.source == "payer"]
    assert [row.previous_secret is not None for row in tried].count(True) == 1
    changed, failed = supervisor.rotate()
    assert (changed, failed) == (14, {})


def test_who_does_not_tell_what_a_poll_finds_is_silent_until_it_is_heard(
    estate: Estate, supervisor: Supervisor
) -> None:
    active(estate, supervisor)
    estate.bridge.sweep()
    later(estate, supervisor, minutes=10)
    estate.put("pharmacy", dispense(mg=300), tell=False)
    later(estate, supervisor, minutes=10)
    estate.bridge.sweep()
    assert states(estate, "pharmacy") == {"active", "silent"}
    assert "no notification had told" in str(problems(estate, "pharmacy"))
    (row,) = [each for each in estate.bridge.store.subscriptions() if each.state == "silent"]
    headers = {"x-fhirbridge-secret": row.secret}
    estate.clock.now += timedelta(minutes=6)
    estate.bridge.intake.hear("pharmacy", row.key, "POST", "", headers, b"").on_disk.result(5)
    supervisor.step()
    assert states(estate, "pharmacy") == {"active"}


def test_who_told_without_a_version_did_tell(estate: Estate, supervisor: Supervisor) -> None:
    """A poll sees the version first. And that a deletion is not told is no sign of deafness."""
    active(estate, supervisor)
    estate.put("pharmacy", dispense("d-1", mg=300), tell=False)
    estate.put("pharmacy", dispense("d-2", mg=300), tell=False)
    estate.bridge.sweep()
    estate.bridge.intake.renew()
    later(estate, supervisor, minutes=10)
    (row,) = [
        each for each in estate.bridge.store.subscriptions() if each.type == "MedicationDispense"
    ]

    def tell(id_: str) -> None:
        headers, path = {"x-fhirbridge-secret": row.secret}, f"MedicationDispense/{id_}"
        hear = estate.bridge.intake.hear
        hear("pharmacy", row.key, "PUT", path, headers, b"").on_disk.result(5)

    estate.remove("pharmacy", "MedicationDispense/d-1", tell=False)
    estate.put("pharmacy", dispense("d-2", mg=200), tell=False)
    tell("d-2")
    later(estate, supervisor, minutes=10)
    estate.bridge.sweep()
    assert states(estate, "pharmacy") == {"active"}
    estate.put("pharmacy", dispense("d-2", mg=100), tell=False)  # and this was not told
    later(estate, supervisor, minutes=10)
    estate.bridge.sweep()
    assert states(estate, "pharmacy") == {"active", "silent"}


def test_a_server_that_stays_down_is_asked_less_and_less(
    estate: Estate, supervisor: Supervisor
) -> None:
    estate.servers["payer"].down = 503
    for _ in range(60):
        later(estate, supervisor, minutes=1)
    asked = len([each for each in estate.servers["payer"].requests if "Subscription" in each[1]])
    kinds = 1 + len(estate.bridge.sources["payer"].types)
    assert asked < 16 * kinds


def test_a_defect_at_one_subscription_does_not_keep_us_from_the_others(
    estate: Estate, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as what a foreign server made of our Subscription, and we cannot read."""
    understood = sign_of

    def broken(found: Json | None, url: str, server: str, *more: Any) -> Any:
        if server == "ehr":
            raise ValueError("Jane Doe")
        return understood(found, url, server, *more)

    monkeypatch.setattr("fhirbridge.supervisor.sign_of", broken)
    supervisor.step()
    assert on(estate, "pharmacy")
    problems = {row.problem for row in estate.bridge.store.subscriptions() if row.source == "ehr"}
    assert len(problems) == 1
    assert str(problems.pop()).startswith("ValueError at test_supervisor.py:")
    monkeypatch.undo()
    later(estate, supervisor, minutes=10)
    assert on(estate, "ehr")
