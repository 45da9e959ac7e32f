"""The threads beside the door live on, whatever they meet."""

from __future__ import annotations

import threading

import pytest

from fhirbridge.web.service import Service
from tests.bridge.estate import Estate

pytestmark = pytest.mark.sockets


@pytest.mark.parametrize("what", ["tick", "work", "forget"])
def test_a_defect_ends_no_thread_and_is_not_quoted(
    estate: Estate, what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls, enough = list[int](), threading.Event()

    def broken(*_: object, **__: object) -> int:
        calls.append(1)
        if len(calls) == 3:
            enough.set()
        raise ValueError("Jane Doe")

    monkeypatch.setattr("fhirbridge.web.service.FORGET", 0.01)
    monkeypatch.setattr(estate.bridge, what, broken)
    with Service(estate.bridge, workers=1, tick=0.01):
        assert enough.wait(60)
    assert "thread_met_defect" in caplog.text
    assert "Jane" not in caplog.text
