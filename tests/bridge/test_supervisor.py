"""The supervisor: Subscriptions are made once, found again, watched, and given up for polling."""

from __future__ import annotations

import pytest

from fhirbridge import wiring
from fhirbridge.sandbox.resources import Resource
from fhirbridge.supervisor import Supervisor
from tests.bridge.estate import Estate, Json

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
