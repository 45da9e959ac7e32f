"""Classic R4 subscriptions: their life, what is delivered, what is repeated."""

from __future__ import annotations

import itertools

import pytest

from fhirbridge.fhir.jsonio import dumps, loads
from tests.contract.driver import Fhir, Listener

DELETES = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages"


def test_activation_is_a_second_version(fhir: Fhir, listener: Listener) -> None:
    active = fhir.subscribe("Task?", listener.url)
    assert active["meta"]["versionId"] == "2"


def test_create_and_update_arrive_as_put_below_the_endpoint(fhir: Fhir, listener: Listener) -> None:
    fhir.subscribe("Task?", listener.url, header=["X-Secret: s3cret", "X-Other: a b"])
    fhir.made(fhir.task())
    fhir.eventually(lambda: listener.about(fhir.id("t")), "first delivery")
    fhir.made(fhir.task(status="accepted"))
    fhir.eventually(lambda: len(listener.about(fhir.id("t"))) == 2, "second delivery")
    one, two = listener.about(fhir.id("t"))
    assert (one.method, one.path) == ("PUT", f"/hook/Task/{fhir.id('t')}")
    assert (one.headers["x-secret"], one.headers["x-other"]) == ("s3cret", "a b")
    assert one.headers["content-type"].startswith("application/fhir+json")
    etags = [one.headers.get("if-match"), two.headers.get("if-match")]
    assert etags == (['W/"1"', 'W/"2"'] if fhir.profile.sends_if_match else [None, None])
    assert loads(two.body)["meta"]["versionId"] == "2"
    assert loads(two.body)["status"] == "accepted"


def test_what_changes_nothing_and_what_is_of_another_type_is_not_told(
    fhir: Fhir, listener: Listener
) -> None:
    fhir.subscribe("Task?", listener.url)
    fhir.made(fhir.task())
    fhir.made(fhir.task())
    fhir.patient()
    fhir.made(fhir.task("last"))
    fhir.eventually(lambda: listener.about(fhir.id("last")), "the last write")
    assert len(listener.about(fhir.id("t"))) == (1 if fhir.profile.skips_unchanged else 2)
    assert not listener.about(fhir.id("p"))


def test_criteria_are_tested_on_the_new_content(fhir: Fhir, listener: Listener) -> None:
    fhir.subscribe("Task?status=accepted", listener.url)
    fhir.made(fhir.task())
    fhir.made(fhir.task(status="accepted"))
    fhir.made(fhir.task(status="rejected"))
    fhir.eventually(lambda: listener.about(fhir.id("t")), "the accepted version")
    assert [loads(one.body)["status"] for one in listener.about(fhir.id("t"))] == ["accepted"]


def test_criteria_may_be_a_list_of_types(fhir: Fhir, listener: Listener) -> None:
    if not fhir.profile.lists_of_types:
        pytest.skip("this server accepts such criteria and never fires")
    fhir.subscribe("[Task,Communication]", listener.url)
    fhir.made(fhir.task())
    fhir.made({"resourceType": "Communication", "id": fhir.id("c"), "status": "completed"})
    fhir.eventually(lambda: listener.about(fhir.id("t")) and listener.about(fhir.id("c")), "both")


@pytest.mark.parametrize("criteria", ["Task", "Nonsense?", "Task?nonsense=1"])
def test_criteria_that_could_never_match_are_refused(fhir: Fhir, criteria: str) -> None:
    asked = fhir.subscription(criteria, "http://127.0.0.1:9/hook")
    refused = fhir.call("POST", "Subscription", asked).status in (400, 404, 422)
    assert refused == fhir.profile.checks_criteria


def test_a_payload_of_another_kind_is_refused(fhir: Fhir) -> None:
    asked = fhir.subscription("Task?", "http://127.0.0.1:9/hook", payload="text/plain")
    expected = 422 if fhir.profile.checks_criteria else 201
    assert fhir.call("POST", "Subscription", asked).status == expected


def test_without_payload_an_empty_post(fhir: Fhir, listener: Listener) -> None:
    fhir.subscribe("Task?", listener.url, payload=None)
    fhir.made(fhir.task())
    fhir.eventually(lambda: listener.heard, "empty post")
    one = listener.heard[0]
    assert (one.method, one.path, one.body) == ("POST", "/hook", b"")


def test_a_deletion_is_told_only_where_it_is_asked_for(fhir: Fhir, listener: Listener) -> None:
    with Listener().listening() as other:
        if not fhir.profile.tells_deletes:
            pytest.skip("this server tells no deletions: they are found by history")
        extension = [{"url": DELETES, "valueBoolean": True}]
        fhir.subscribe("Task?", listener.url, extension=extension)
        fhir.subscribe("Task?", other.url)
        fhir.made(fhir.task())
        fhir.eventually(lambda: listener.about(fhir.id("t")), "the write")
        fhir.call("DELETE", f"Task/{fhir.id('t')}")
        fhir.eventually(lambda: len(listener.about(fhir.id("t"))) == 2, "the deletion")
        last = listener.about(fhir.id("t"))[-1]
        assert (last.method, last.path) == ("DELETE", f"/hook/Task/{fhir.id('t')}")
        fhir.made(fhir.task("last"))
        fhir.eventually(lambda: other.about(fhir.id("last")), "the last write")
        assert [one.method for one in other.about(fhir.id("t"))] == ["PUT"]


@pytest.mark.parametrize("bad", [(500, "", b""), (404, "", b""), (200, "application/json", b"{}")])
def test_a_bad_answer_is_repeated_until_a_good_one(
    fhir: Fhir, listener: Listener, bad: tuple[int, str, bytes]
) -> None:
    if bad[0] == 200 and not fhir.profile.repeats_bad_bodies:
        pytest.skip("this server does not read our answers")
    listener.answers = itertools.chain([bad, bad], itertools.repeat((204, "", b"")))
    fhir.subscribe("Task?", listener.url)
    fhir.made(fhir.task())
    fhir.eventually(lambda: len(listener.about(fhir.id("t"))) == 3, "two repeats")
    bodies = {one.body for one in listener.about(fhir.id("t"))}
    assert len(bodies) == 1


@pytest.mark.parametrize(
    "good",
    [
        (204, "", b""),
        (200, "", b""),
        (200, "text/plain", b"thank you"),
        (200, "application/fhir+json", dumps({"resourceType": "OperationOutcome"})),
    ],
)
def test_a_good_answer_is_enough(
    fhir: Fhir, listener: Listener, good: tuple[int, str, bytes]
) -> None:
    listener.answers = itertools.repeat(good)
    fhir.subscribe("Task?", listener.url)
    fhir.made(fhir.task())
    fhir.eventually(lambda: listener.about(fhir.id("t")), "delivery")
    fhir.made(fhir.task("last"))
    fhir.eventually(lambda: listener.about(fhir.id("last")), "the last write")
    assert len(listener.about(fhir.id("t"))) == 1


def test_a_subscription_switched_off_is_silent(fhir: Fhir, listener: Listener) -> None:
    with Listener().listening() as other:
        active = fhir.subscribe("Task?", listener.url)
        fhir.subscribe("Task?", other.url)
        fhir.made(active | {"status": "off"})
        fhir.made(fhir.task("warm"))
        fhir.eventually(lambda: other.about(fhir.id("warm")), "the other hears")
        fhir.made(fhir.task())
        fhir.eventually(lambda: other.about(fhir.id("t")), "the other hears")
        assert not listener.about(fhir.id("t"))


def test_a_channel_that_is_not_served_stays_requested(fhir: Fhir, listener: Listener) -> None:
    asked = fhir.subscription("Task?", "mailto:nobody@example.org", type="email")
    answer = fhir.call("POST", "Subscription", asked)
    assert answer.status == 201
    fhir.subscribe("Task?", listener.url)  # asked for later, active by now
    status = fhir.get(f"Subscription/{answer.body['id']}").body["status"]
    assert status == fhir.profile.unserved_channel
