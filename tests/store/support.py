"""What the store's tests share: a fixed clock, short ways to say what was told, the store itself.

`tests/services/test_store_postgres.py` runs the same tests by giving another `store_url`.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.store import Delivery, Lease, Store, StoredEvent, SubscriptionRow, Written

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
P7 = "ehr:Patient/p-7"
ORDER = "ehr:MedicationRequest/o-1"


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def news(
    version: str | None = "1",
    *,
    id: str = "o-1",
    subject: str | None = P7,
    updated: float | None = None,
    source: str = "ehr",
    verb: str = "update",
    urgent: bool = False,
) -> StoredEvent:
    last_updated = None if updated is None else at(updated)
    return StoredEvent(
        source, verb, "MedicationRequest", id, version, last_updated, subject, urgent
    )


def delivery(*events: StoredEvent, body: bytes = b"{}", **more: object) -> Delivery:
    given: dict[str, Any] = {
        "source": events[0].source if events else "ehr",
        "key": None,
        "received_at": START,
        "dialect": "r4-put",
        "content_type": "application/fhir+json",
        "body": body,
        "events": events,
    }
    return Delivery(**(given | more))


def wrote(version: str, *, id: str = "t-1") -> Written:
    return Written("ehr", "Task", id, version, "key-1", "digest-1", "open")


def echo(version: str, *, id: str = "t-1", subject: str = P7) -> StoredEvent:
    return StoredEvent("ehr", "update", "Task", id, version, None, subject)


def subscription(type_: str = "Task", *, key: str = "k-1") -> SubscriptionRow:
    return SubscriptionRow("ehr", type_, key, "s-1", None, None, "requested", START)


def names() -> Callable[[], str]:
    numbers = count(1)
    return lambda: f"id-{next(numbers)}"


def take(store: Store, seconds: float = 0) -> Lease:
    """The one subject that is due."""
    (lease,) = store.lease("w-1", at(seconds), MINUTE)
    return lease


def none_due(store: Store, seconds: float = 0) -> bool:
    return store.lease("w-none", at(seconds), MINUTE) == []


@pytest.fixture(scope="session")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with nothing in it: making the tables takes longer than most tests."""
    path = tmp_path_factory.mktemp("empty") / "store.db"
    Store(f"sqlite:///{path}", ids=names()).close()
    return path


@pytest.fixture
def store_url(empty_file: Path, tmp_path: Path) -> str:
    shutil.copy(empty_file, tmp_path / "store.db")
    return f"sqlite:///{tmp_path / 'store.db'}"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(store_url, ids=names())
    yield store
    store.close()
