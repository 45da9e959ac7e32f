"""We ask for what we do, in the words that the server knows, and see what is missing."""

from __future__ import annotations

import pytest

from fhirbridge.fhir.scopes import in_words, missing, needs, speaks_v2

READS = needs(["MedicationDispense"], push=False, writes=False)
HOME = needs(["Task"], push=True, writes=True)


def test_a_source_that_is_polled_is_only_read() -> None:
    assert in_words(READS, v2=True) == (
        "system/Medication.rs",
        "system/MedicationDispense.rs",
        "system/Patient.rs",
    )
    assert in_words(READS, v2=False) == (
        "system/Medication.read",
        "system/MedicationDispense.read",
        "system/Patient.read",
    )


def test_the_worklist_is_written_and_the_subscription_kept() -> None:
    assert in_words(HOME, v2=True) == (
        "system/Communication.cs",
        "system/Patient.rs",
        "system/Subscription.cruds",
        "system/Task.crus",
    )
    assert "system/Task.write" in in_words(HOME, v2=False)
    assert "system/Patient.write" not in in_words(HOME, v2=False)


def test_provenance_is_asked_for_only_where_it_is_written() -> None:
    attested = needs(["Task"], push=True, writes=True, attests=True)
    assert set(in_words(attested, v2=True)) - set(in_words(HOME, v2=True)) == {
        "system/Provenance.cu"
    }
    assert needs(["Task"], push=True, writes=False, attests=True) == needs(
        ["Task"], push=True, writes=False
    )


@pytest.mark.parametrize(
    ("granted", "lacks"),
    [
        ("system/*.cruds", ()),
        ("system/*.* ", ()),
        ("system/*.read", ("system/Communication.c", "system/Subscription.cud", "system/Task.cu")),
        (
            "system/Task.crus system/Communication.cs system/Subscription.cruds",
            ("system/Patient.rs",),
        ),
        ("system/*.cruds?category=x", ()),
        ("user/*.cruds openid", tuple(f"system/{type_}.{do}" for type_, do in HOME.items())),
    ],
)
def test_what_was_not_granted_is_named(granted: str, lacks: tuple[str, ...]) -> None:
    assert missing(granted.split(), HOME) == lacks


@pytest.mark.parametrize(
    ("capabilities", "supported", "v2"),
    [
        (["permission-v2"], [], True),
        (["permission-v1", "permission-v2"], [], True),
        (["permission-v1"], ["system/*.rs"], False),
        ([], ["openid", "system/*.rs"], True),
        ([], ["system/*.read"], False),
        ([], [], False),
    ],
)
def test_the_syntax_is_what_the_server_says(
    capabilities: list[str], supported: list[str], v2: bool
) -> None:
    assert speaks_v2(capabilities, supported) is v2
