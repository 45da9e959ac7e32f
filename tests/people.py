"""Who is who in a store, for tests that ask in one word."""

from __future__ import annotations

from fhirbridge.bridge.ports import Store


def person_of(store: Store, record: str) -> str | None:
    found = store.who(record)
    return found.name if found else None


def records_of(store: Store, person: str) -> list[str]:
    """None of them when the record belongs to another person by now."""
    found = store.who(person)
    return list(found.records) if found and found.name == person else []


def is_watched(store: Store, record: str) -> bool:
    found = store.who(record)
    return bool(found and found.watched)
