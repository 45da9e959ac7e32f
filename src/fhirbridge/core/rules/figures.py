"""The figures of an occasion: its columns for machines, and its values for sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fhirbridge.core.facts import Ref
from fhirbridge.core.ledger import Column, Occasion


def common_words(occasion: Occasion, columns: Sequence[str]) -> dict[str, object]:
    """The values that the sentences of every rule may use; what is unknown is None.

    `columns` are those that the finding rests on: only their arithmetic is shown.
    """
    ordered, drug = occasion.ordered, occasion.authorized_drug
    steps = dict.fromkeys(step for name in columns for step in column_of(occasion, name).steps)
    return {
        "drug": occasion.therapy.title,
        "day": occasion.day,
        "ordered": ordered.per_visit,
        "ordered_visits": ordered.visits,
        "ordered_total": ordered.total,
        "authorized": drug.per_visit,
        "authorized_visits": drug.visits,
        "authorized_total": drug.total,
        "admin_visits": occasion.authorized_admin.visits,
        "dispensed": occasion.dispensed.total,
        "given": occasion.administered.total,
        "decision": drug.decision or None,
        "numbers": tuple(sorted({n for i in occasion.drug_items for n in i.fact.numbers})) or None,
        # What was said in milligrams needs no arithmetic to be believed.
        "steps": tuple(step for step in steps if " = " in step) or None,
    }


#: The columns by the names that rules use.
COLUMNS: Mapping[str, str] = {
    "ordered": "ordered",
    "authorized drug": "authorized_drug",
    "authorized administration": "authorized_admin",
    "scheduled": "scheduled",
    "dispensed": "dispensed",
    "administered": "administered",
}


def column_of(occasion: Occasion, name: str) -> Column:
    column: Column = getattr(occasion, COLUMNS[name])
    return column


def figures_for(figures: Mapping[str, object], name: str) -> object:
    side, _, part = name.partition(" ")
    found = figures[side]
    return found.get(part) if part and isinstance(found, Mapping) else found


def compared(figures: Mapping[str, object], columns: Sequence[str]) -> dict[str, object]:
    """The part of the figures that a finding rests on."""
    found: dict[str, object] = {}
    for name in columns:
        side, _, part = name.partition(" ")
        value = figures_for(figures, name)
        if value is not None:
            before = found.get(side)
            kept = before if isinstance(before, Mapping) else {}
            found[side] = {**kept, part: value} if part else value
    return found


def figures_of(occasion: Occasion) -> dict[str, object]:
    """The columns for machines: strings with units, null where nothing is recorded."""
    visit = occasion.visit
    scheduled: dict[str, object] = {"visits": occasion.scheduled.visits}
    if visit is not None and visit.start is not None:
        scheduled["start"] = visit.start.isoformat()
    return {
        "ordered": _figures(occasion.ordered),
        "authorized": {
            "drug": _figures(occasion.authorized_drug),
            "administration": _figures(occasion.authorized_admin),
        },
        "scheduled": scheduled if occasion.scheduled.visits else None,
        "dispensed": _dispensed(occasion),
        "administered": _figures(occasion.administered),
    }


def _dispensed(occasion: Occasion) -> dict[str, object] | None:
    """What is only announced stands apart: a text may count it (`dispense-short`)."""
    found = _figures(occasion.dispensed)
    if occasion.promised is None:
        return found
    return {**(found or {}), "promised": str(occasion.promised)}


def _figures(column: Column) -> dict[str, object] | None:
    named: dict[str, object] = {
        "per_visit": str(column.per_visit) if column.per_visit else None,
        "visits": column.visits,
        "total": str(column.total) if column.total else None,
        "decision": column.decision or None,
    }
    if column.problems:
        named["unmeasured"] = len(column.problems)
    known = {name: value for name, value in named.items() if value is not None}
    return known or None


def records_of(occasion: Occasion) -> tuple[Ref, ...]:
    """Every record that an occasion rests on."""
    facts = (occasion.order, occasion.visit)
    refs = [fact.ref for fact in facts if fact]
    for column in occasion.columns:
        refs += column.refs
    return tuple(dict.fromkeys(refs))
