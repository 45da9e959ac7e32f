"""`reconcile --explain`: everything that a decision rests on, in columns that line up."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from fhirbridge import wiring
from fhirbridge.bridge.deciding import Decision
from fhirbridge.bridge.gathering import Gathered
from fhirbridge.explain import explain, explained
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.read import Snapshot, read
from fhirbridge.settings import Settings
from fhirbridge.texts import Texts
from tests.exports import dispense, order, patient, service, visit

AS_OF = datetime(2026, 12, 1, 15, tzinfo=UTC)
SITE = Settings()


@pytest.fixture(scope="module")
def texts() -> Texts:
    return wiring.words(SITE)


@pytest.fixture(scope="module")
def decision() -> Decision:
    """600 mg ordered, 300 mg dispensed, and a payer that did not answer."""
    reading = read(Snapshot("ehr", [patient(), order(), service(), visit(), dispense("p-7")]), None)
    gathered = Gathered(
        records=tuple(each.ref for each in reading.patients),
        facts=reading.facts,
        sight={
            ("ehr", "orders"): "complete",
            ("ehr", "schedule"): "complete",
            ("ehr", "dispenses"): "complete",
            ("payer", "authorizations"): "unread",
        },
    )
    decider = wiring.decider(SITE, wiring.formulary(SITE), {}, today=AS_OF.date())
    return decider.decide(gathered, AS_OF)


def line(text: str, begins: str) -> str:
    return next(each for each in text.splitlines() if each.strip().startswith(begins))


def test_the_ledger_stands_in_columns(decision: Decision, texts: Texts) -> None:
    text = explain(decision, texts)
    ordered, dispensed = line(text, "ordered"), line(text, "dispensed")
    assert ordered.split() == [
        "ordered",
        "600",
        "mg",
        "1",
        "600",
        "mg",
        "ehr:MedicationRequest/o-p-7",
    ]
    assert (
        ordered.index("ehr:")
        == dispensed.index("ehr:")
        == line(text, "per visit").index("rests on")
    )
    assert line(text, "administered").endswith("–")


def test_every_rule_says_what_it_found_and_why(decision: Decision, texts: Texts) -> None:
    text = explain(decision, texts)
    assert "300 mg" in line(text, "dispense-short  ")
    assert "cannot tell" in line(text, "auth-missing-drug")
    assert "authorizations" in line(text, "auth-missing-drug")
    assert "payer authorizations" in text
    assert "based on" in line(text, "ehr:Appointment/v-p-7")
    assert decision.next_look is not None
    assert text.splitlines()[-1] == f"Looks again {decision.next_look.isoformat()}"


def test_it_says_nothing_of_the_person(decision: Decision, texts: Texts) -> None:
    for said in (explain(decision, texts), jsonio.dumps(explained(decision, texts)).decode()):
        assert not [word for word in ("Canary", "Yellow", "M-7", "1980") if word in said]


def test_machines_get_the_same(decision: Decision, texts: Texts) -> None:
    document = explained(decision, texts)
    (occasion,) = document["occasions"]
    assert occasion["columns"]["ordered"]["total"] == "600 mg"
    assert occasion["columns"]["dispensed"]["rests_on"] == ["ehr:MedicationDispense/d-p-7"]
    outcomes = {each["rule"]: each["outcome"] for each in document["verdicts"]}
    assert outcomes["dispense-short"] == "fires"
    assert outcomes["auth-missing-drug"] == "cannot tell"
