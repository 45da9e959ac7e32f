"""Every kind of resource that we write passes HAPI's `$validate`: each rule, variant and owner of
the scenarios, with everything that a Task goes through, and our Subscriptions."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from fhirbridge.core.facts import Party, Ref
from fhirbridge.core.findings import Finding, Role
from fhirbridge.core.plan import Do, Intent, Over, Plan, Said, Told, Why, decide
from fhirbridge.core.roots import ROOT_RULE
from fhirbridge.fhir import ours
from fhirbridge.fhir.desk import Desk
from fhirbridge.fhir.said import said
from fhirbridge.fhir.subscription import REST_HOOK, WEBSOCKET, wanted
from fhirbridge.fhir.write import write
from tests.contract.driver import Fhir
from tests.contract.validating import Json, complaints
from tests.scenarios.golden_texts import english, findings

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
PERSON = Ref("ehr", "Patient", "p1")
EVIDENCE = (Ref("ehr", "MedicationRequest", "o1", "2"), Ref("pharmacy", "MedicationDispense", "d1"))
TEXTS = english()
#: Owners of every kind: here, elsewhere with an identifier, elsewhere without, of no type.
OWNERS: tuple[dict[Role, Party], ...] = (
    {},
    {Role.PHARMACY: Party("ehr", "Organization/1"), Role.PAYER: Party("ehr", "Location/1")},
    {role: Party("pharmacy", "Organization/1", "urn:npi|123", "Somebody") for role in Role},
    {role: Party("pharmacy", None, "123") for role in Role},
)
#: What people leave in a Task that we then change.
BY_HAND: Json = {
    "status": "in-progress",
    "owner": {"display": "Nurse"},
    "note": [{"authorString": "Nurse", "text": "called them"}],
    "output": [{"type": {"text": "answer"}, "valueString": "two of 300 mg"}],
}


def desk(owners: int, *tasks: Json) -> Desk:
    return Desk(
        instance="test",
        home="ehr",
        as_of=NOW,
        texts=TEXTS,
        patient=PERSON,
        owners=OWNERS[owners % len(OWNERS)],
        tasks={task["id"]: task for task in tasks},
    )


def sent(plan: Plan, at: Desk) -> list[Json]:
    bundle = write(plan, at)
    assert bundle is not None
    return [entry["resource"] for entry in bundle["entry"]]


def life(finding: Finding, number: int, *, whole: bool) -> Iterator[Json]:
    """What is written about one finding when it is new; the `whole`: whatever becomes of it, and
    of its root."""
    opened = sent(decide([finding], []), desk(number))
    yield from opened
    tasks = [each for each in opened if each["resourceType"] == "Task"]
    for id_, plain in enumerate(tasks if whole else (), 1):
        task = {**plain, "id": str(id_), "meta": {**plain["meta"], "versionId": "3"}}
        for before in (task, {**task, **BY_HAND}):
            spoken = said(before, "ehr", "test")
            assert spoken is not None
            for intent in changes(finding, spoken):
                yield from sent(Plan(intents=(intent,)), desk(number, before))


def changes(finding: Finding, spoken: Said) -> Iterator[Intent]:
    now = finding if spoken.rule != ROOT_RULE else None
    base = Intent(
        do=Do.CLOSE,
        key=spoken.key,
        episode=spoken.episode,
        said=spoken,
        evidence=EVIDENCE,
        words="The order was written for somebody else.",
    )
    if spoken.told is Told.OPEN:
        yield from (replace(base, why=why) for why in Why)
    yield replace(base, do=Do.ANNOTATE, why=Why.SOLVED)
    yield replace(base, do=Do.ANNOTATE, why=Why.RETRACTED)
    if now:
        yield from (replace(base, do=do, finding=now) for do in (Do.REVISE, Do.ANNOTATE))
        yield replace(base, do=Do.ESCALATE, finding=now)


def subscriptions() -> Iterator[Json]:
    for channel in (REST_HOOK, WEBSOCKET):
        yield wanted(
            instance="test",
            server="ehr",
            type_="MedicationRequest",
            public_url="https://bridge.example",
            key="k" * 32,
            secret="s" * 32,
            channel=channel,
            end=NOW,
        )


def everything() -> list[Json]:
    number = itertools.count()
    written = [
        resource
        for of_rule in findings().values()
        for place, finding in enumerate(of_rule)
        for resource in life(
            replace(finding, folded_into=None, patient=PERSON),
            next(number),
            whole=place == 0 or bool(finding.choices),
        )
    ]
    written += sent(Plan(over=(Over(Role.PHARMACY, "Organization/1", 40),)), desk(0))
    return [*written, *subscriptions()]


def test_everything_that_we_write_is_valid(fhir: Fhir) -> None:
    if fhir.profile.name != "hapi":
        pytest.skip("only HAPI validates")

    def validate(bundle: Json) -> Json:
        answer = fhir.call("POST", "Bundle/$validate", bundle)
        assert answer.status in (200, 412), answer.body
        return dict(answer.body)

    written = everything()
    rules = {ours.code_of(each.get("reasonCode"), ours.RULE) for each in written}
    assert rules >= {*findings(), ROOT_RULE}
    assert complaints(validate, written) == []
    # … and the validator does its work.
    for name in ("intent", "status"):
        lacking = {key: value for key, value in written[0].items() if key != name}
        (complaint,) = complaints(validate, [written[1], lacking])
        assert f"Task.{name}" in complaint
