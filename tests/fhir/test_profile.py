"""Makes of servers: chosen by their own account, completed by it, and overridden by a file."""

from __future__ import annotations

from typing import Any

import pytest

from fhirbridge import mappings
from fhirbridge.fhir.profile import Profile, choose, fitted

SHIPPED = mappings.load([mappings.shipped()]).servers


def statement(name: str = "", **rest: Any) -> dict[str, Any]:
    return {"software": {"name": name}, "rest": [{"mode": "server", **rest}]}


@pytest.mark.parametrize(
    ("software", "profile"),
    [
        ("HAPI FHIR Server", "hapi"),
        ("Medplum", "medplum"),
        ("Oracle Health Millennium Platform", "oracle-millennium"),
        ("OpenEMR", "openemr"),
        ("Canvas FHIR API", "canvas"),
        ("OpenMRS", "openmrs"),
        ("A server that nobody knows", "generic"),
    ],
)
def test_a_make_is_known_by_what_it_says_of_itself(software: str, profile: str) -> None:
    assert choose(SHIPPED.values(), statement(software)).name == profile


def test_what_a_profile_leaves_open_the_statement_says() -> None:
    says = statement(
        resource=[
            {"type": "Task", "conditionalCreate": False, "interaction": [{"code": "create"}]}
        ],
        interaction=[{"code": "batch"}],
    )
    fit = fitted(Profile(name="generic"), says)
    assert fit.takes == {"Task"}
    assert not fit.transactions
    assert not fit.conditional_create


def test_what_a_profile_says_stands_against_the_statement() -> None:
    says = statement(interaction=[{"code": "batch"}])
    assert fitted(Profile(name="x", transactions=True), says).transactions


def test_a_server_that_says_nothing_is_taken_to_be_r4() -> None:
    fit = fitted(Profile(name="generic"), {})
    assert fit.takes == {"Task", "Communication", "Provenance"}
    assert fit.transactions
    assert fit.conditional_create
