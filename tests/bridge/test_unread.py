"""A source that is not read is logged when it begins and when it is over."""

from __future__ import annotations

import logging

import pytest

from fhirbridge.bridge.unread import Unread
from fhirbridge.fhir.errors import Forbidden, Unavailable

DOWN = Unavailable("payer", "read Patient", "nothing listens at that address and port")
REFUSED = Forbidden("payer", "sign in", "check client_id", status=401, codes=("invalid_client",))


def test_it_is_said_once_for_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    unread = Unread()
    with caplog.at_level(logging.INFO, "fhirbridge"):
        for failed in ({}, {"payer": DOWN}, {"payer": DOWN}, {"payer": REFUSED}, {}, {}):
            unread.tell(("ehr", "payer"), failed)
        unread.tell(("ehr",), {})
    said = [record.getMessage() for record in caplog.records]
    assert [each.split()[:3] for each in said] == [
        ["source_unread", "source=payer", "kind=Unavailable"],
        ["source_unread", "source=payer", "kind=Forbidden"],
        ["source_read_again", "source=payer"],
    ]
    assert "check client_id" in said[1]


def test_who_was_not_asked_is_not_read_again(caplog: pytest.LogCaptureFixture) -> None:
    unread = Unread()
    with caplog.at_level(logging.INFO, "fhirbridge"):
        unread.tell(("payer",), {"payer": DOWN})
        unread.tell(("ehr",), {})
    assert [record.getMessage().split()[0] for record in caplog.records] == ["source_unread"]
