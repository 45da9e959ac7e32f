"""Which patient records are one person."""

from fhirbridge.core.facts import Ref
from fhirbridge.core.identity import Ambiguity, Joined, PatientRecord, join

MRN, MEMBER = "urn:mrn", "urn:member"
SHARED = frozenset({MRN, MEMBER})


def record(
    name: str,
    *identifiers: tuple[str, ...],
    born: str | None = "1980-02-01",
    links: tuple[str, ...] = (),
) -> PatientRecord:
    source, number = name.split(":")
    return PatientRecord(
        ref=Ref(source, "Patient", number),
        identifiers=tuple((row[0], row[1], row[2] if len(row) > 2 else "") for row in identifiers),
        birth_date=born,
        links=tuple((f"{source}:Patient/{other}", "seealso") for other in links),
    )


def groups(joined: Joined) -> list[list[str]]:
    return [[f"{r.ref.source}:{r.ref.id}" for r in group] for group in joined.groups]


def test_one_person_on_three_servers() -> None:
    records = [
        record("ehr:1", (MRN, "M1"), (MEMBER, "Z9")),
        record("payer:9", (MEMBER, "Z9")),
        record("pharmacy:x", (MRN, "M1")),
    ]
    for order in (records, records[::-1]):
        joined = join(order, SHARED)
        assert groups(joined) == [["ehr:1", "payer:9", "pharmacy:x"]]
        assert joined.ambiguous == ()
        assert len(joined.group_of("payer:Patient/9")) == 3
        assert joined.group_of("payer:Patient/8") == ()


def test_family_members_share_the_member_id_and_not_the_birth_date() -> None:
    joined = join(
        [
            record("ehr:1", (MEMBER, "Z9")),
            record("payer:1", (MEMBER, "Z9")),
            record("payer:2", (MEMBER, "Z9"), born="2012-05-05"),
        ],
        SHARED,
    )
    assert groups(joined) == [["ehr:1", "payer:1"], ["payer:2"]]


def test_what_does_not_join() -> None:
    first = record("ehr:1", (MRN, "M1"), ("urn:local", "7"))
    for other in (
        record("payer:1", (MRN, "M2")),
        record("payer:1", (MRN, "M1", "old")),
        record("payer:1", (MRN, "M1"), born=None),
        record("payer:1", ("urn:local", "7")),
        record("payer:1", (MRN, "")),
        record("ehr:2", (MRN, "M1")),  # one source: only by Patient.link
    ):
        assert len(join([first, other], SHARED).groups) == 2


def test_without_declared_systems_any_identifier_joins() -> None:
    pair = [record("ehr:1", ("urn:local", "7")), record("payer:1", ("urn:local", "7"))]
    assert groups(join(pair)) == [["ehr:1", "payer:1"]]
    bare = [record("ehr:1", ("", "7")), record("payer:1", ("", "7"))]
    assert len(join(bare).groups) == 2


def test_records_of_one_source_join_by_a_link() -> None:
    joined = join(
        [
            record("ehr:1", (MRN, "M1"), links=("2", "404")),
            record("ehr:2", born="1980-01-02"),
            record("payer:1", (MRN, "M1")),
        ],
        SHARED,
    )
    assert groups(joined) == [["ehr:1", "ehr:2", "payer:1"]]


def test_a_link_to_another_server_joins_nothing() -> None:
    first = PatientRecord(Ref("ehr", "Patient", "1"), links=(("payer:Patient/1", "seealso"),))
    assert len(join([first, record("payer:1")], SHARED).groups) == 2


def test_two_candidates_are_never_merged() -> None:
    """Twins with one member id: the payer's record may be either."""
    joined = join(
        [
            record("ehr:1", (MEMBER, "Z9")),
            record("ehr:2", (MEMBER, "Z9")),
            record("payer:1", (MEMBER, "Z9")),
        ],
        SHARED,
    )
    assert groups(joined) == [["ehr:1"], ["ehr:2"], ["payer:1"]]
    assert joined.ambiguous == (
        Ambiguity(
            Ref("payer", "Patient", "1"), (Ref("ehr", "Patient", "1"), Ref("ehr", "Patient", "2"))
        ),
    )


def test_others_are_still_joined_where_one_record_is_ambiguous() -> None:
    joined = join(
        [
            record("ehr:1", (MEMBER, "Z9"), (MRN, "M1")),
            record("ehr:2", (MEMBER, "Z9")),
            record("payer:1", (MEMBER, "Z9")),
            record("pharmacy:1", (MRN, "M1")),
        ],
        SHARED,
    )
    assert groups(joined) == [["ehr:1", "pharmacy:1"], ["ehr:2"], ["payer:1"]]


def test_two_records_of_one_source_by_way_of_a_third() -> None:
    joined = join(
        [
            record("ehr:1", (MRN, "M1")),
            record("ehr:2", (MEMBER, "Z9")),
            record("payer:1", (MEMBER, "Z9"), ("urn:rx", "R")),
            record("pharmacy:1", (MRN, "M1"), ("urn:rx", "R")),
        ],
        None,
    )
    assert len(joined.groups) == 4
    rivals = (Ref("ehr", "Patient", "1"), Ref("ehr", "Patient", "2"))
    assert joined.ambiguous == (Ambiguity(Ref("payer", "Patient", "1"), rivals),)


def test_a_record_is_found_through_each_of_those_that_it_is_like() -> None:
    records = [
        record("ehr:1", (MRN, "M1"), (MEMBER, "Z9")),
        record("clinic:1", (MRN, "M1"), ("urn:clinic", "5")),
        record("lab:1", ("urn:clinic", "5"), ("urn:lab", "3")),
        record("payer:1", (MEMBER, "Z9"), ("urn:payer", "7")),
        record("pharmacy:1", ("urn:payer", "7")),
        record("registry:1", ("urn:lab", "3")),
    ]
    (group,) = join(records).groups
    assert len(group) == 6


def test_a_record_without_a_birth_date_hides_no_other() -> None:
    records = [
        record("clinic:1", (MRN, "M1"), born=None),
        record("ehr:1", (MRN, "M1")),
        record("payer:1", (MRN, "M1")),
    ]
    assert groups(join(records, SHARED)) == [["clinic:1"], ["ehr:1", "payer:1"]]
