"""A source that is not read is logged when it begins and when it is over."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fhirbridge.bridge.unread import Unread
from fhirbridge.fhir.errors import Forbidden, Unavailable

DOWN = Unavailable("payer", "read Patient", "nothing listens at that address and port")
REFUSED = Forbidden("payer", "sign in", "check client_id", status=401, codes=("invalid_client",))


def told(caplog: pytest.LogCaptureFixture) -> list[Any]:
    """Events with their fields, before they are rendered."""
    return [record.msg for record in caplog.records]


def test_it_is_said_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    unread = Unread()
    with caplog.at_level(logging.INFO, "fhirbridge"):
        for failed in ({}, {"payer": DOWN}, {"payer": DOWN}, {"payer": REFUSED}, {}, {}):
            unread.tell(("ehr", "payer"), failed)
        unread.tell(("ehr",), {})
    assert told(caplog) == [
        {"event": "source_unread", "source": "payer", "kind": "Unavailable", "error": DOWN},
        {"event": "source_unread", "source": "payer", "kind": "Forbidden", "error": REFUSED},
        {"event": "source_read_again", "source": "payer"},
    ]


def test_who_was_not_asked_is_not_read_again(caplog: pytest.LogCaptureFixture) -> None:
    unread = Unread()
    with caplog.at_level(logging.INFO, "fhirbridge"):
        unread.tell(("payer",), {"payer": DOWN})
        unread.tell(("ehr",), {})
    assert [each["event"] for each in told(caplog)] == ["source_unread"]
