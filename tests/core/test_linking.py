"""Linking: what a copy adds to its record, and which of several ties counts."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from fhirbridge.core import facts as f
from fhirbridge.core.linking import Web, completed, without_mirrors

HOME = f.Site("home")
LINK = f.Link("ehr:MedicationRequest/o-1", 0, "prescription")
NUMBER = "urn:rx|7"


def supply(source: str = "ehr", id_: str = "d-1", **says: Any) -> f.Supply:
    ref = f.Ref(source, "MedicationDispense", id_)
    names = frozenset({ref.name, NUMBER})
    made = f.Supply(ref=ref, names=names, state=f.State.DONE, amount=None, stage="delivered")
    return replace(made, **says)


def test_a_record_says_what_only_its_copy_said() -> None:
    copy = supply("pharmacy", links=(LINK,), destination=HOME)
    (kept,), (pair,) = without_mirrors([copy, supply()])
    assert isinstance(kept, f.Supply)
    assert (kept.ref.source, kept.links, kept.destination) == ("ehr", (LINK,), HOME)
    assert pair.copy is copy
    assert pair.fact.links == ()


def test_what_a_record_says_itself_stands() -> None:
    kept = completed(supply(destination=HOME), supply("pharmacy", destination=f.Site("hospital")))
    assert kept.destination == HOME


def test_a_copy_in_another_state_adds_nothing() -> None:
    assert (
        completed(supply(), supply("pharmacy", state=f.State.WITHDRAWN, links=(LINK,))).links == ()
    )


def test_a_copy_of_what_a_payer_says_on_an_order_leaves_both_orders_alone() -> None:
    """Coverage information stands on the order itself, so that the two share a reference."""
    facts: list[f.Fact] = []
    for source in ("ehr", "pharmacy"):
        order = order_of(f.Ref(source, "MedicationRequest", "o-1"))
        answer = f.Authorization(
            ref=order.ref, names=frozenset({NUMBER}), decision=f.Decision.APPROVED, document="d"
        )
        facts += [order, answer]
    kept, copies = without_mirrors(facts)
    assert [(type(fact), fact.ref.source) for fact in kept] == [
        (f.Order, "ehr"),
        (f.Authorization, "ehr"),
        (f.Order, "pharmacy"),
    ]
    assert [type(pair.copy) for pair in copies] == [f.Authorization]


def test_every_item_of_an_answer_stays_when_the_answer_has_a_copy() -> None:
    def items(source: str) -> list[f.Fact]:
        ref = f.Ref(source, "ClaimResponse", "r-1")
        return [
            f.Authorization(
                ref=ref,
                names=frozenset({NUMBER, f"{ref.name}#{n}"}),
                decision=f.Decision.APPROVED,
                document=ref.name,
            )
            for n in (1, 2)
        ]

    kept, _ = without_mirrors([*items("ehr"), *items("payer")])
    assert list(kept) == items("ehr")


def test_of_two_copies_the_one_that_was_entered_in_error_does_not_stand() -> None:
    noon = datetime(2026, 12, 1, 12, tzinfo=UTC)
    right = supply(updated=noon)
    wrong = supply("pharmacy", state=f.State.WRONG, updated=noon + timedelta(hours=1))
    for pair in ((right, wrong), (wrong, right)):
        kept, _ = without_mirrors(pair)
        assert [(each.ref, each.state) for each in kept] == [(right.ref, right.state)]


def test_an_item_that_is_said_twice_is_one() -> None:
    ref = f.Ref("payer", "ClaimResponse", "r-1")
    item = f.Authorization(ref=ref, decision=f.Decision.APPROVED, document=ref.name)
    other = replace(item, visits=2)
    kept, _ = without_mirrors([other, item, item])
    assert sorted(kept, key=repr) == sorted([item, other], key=repr)
    assert kept == without_mirrors([item, other, item])[0]


def test_an_answer_about_an_order_that_was_not_read_answers_none() -> None:
    ref = f.Ref("payer", "ClaimResponse", "r-1")
    item = f.Authorization(ref=ref, decision=f.Decision.APPROVED, document=ref.name, links=(LINK,))
    assert not Web([item]).answered(item)


def test_items_of_an_answer_are_left_as_they_are() -> None:
    ref = f.Ref("payer", "ClaimResponse", "r-1")
    item = f.Authorization(ref=ref, decision=f.Decision.APPROVED, document=ref.name)
    assert completed(item, replace(item, visits=2)) is item


def test_an_order_that_is_named_counts_more_than_those_of_the_same_requisition() -> None:
    orders = {
        order.ref: order
        for n in (1, 2)
        for order in [order_of(f.Ref("ehr", "MedicationRequest", f"o-{n}"))]
    }
    ref = f.Ref("ehr", "ServiceRequest", "s-1")
    service = replace(order_of(ref), kind="service")
    named = replace(service, links=(f.Link("ehr:MedicationRequest/o-2", 0, "based on"),))
    both = Web([*orders.values(), service]).ties(service, orders)
    one = Web([*orders.values(), named]).ties(named, orders)
    assert [tie.order.id for tie in both] == ["o-1", "o-2"]
    assert [tie.order.id for tie in one] == ["o-2"]


def test_of_two_links_to_one_order_the_stronger_counts() -> None:
    order = order_of(f.Ref("ehr", "MedicationRequest", "o-1"))
    weak, strong = f.Link(order.ref.name, 1, "order number"), replace(LINK, why="reference")
    dispense = supply(links=(weak, strong))
    (tie,) = Web([order, dispense]).ties(dispense, {order.ref: order})
    assert (tie.tier, tie.why) == (0, "reference")


def order_of(ref: f.Ref) -> f.Order:
    return f.Order(ref=ref, names=frozenset({ref.name}), kind="medication", requisition="R|1")
