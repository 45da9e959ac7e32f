"""Silence is measured against what a source usually leaves between two notifications."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fhirbridge.bridge.silence import Cadence

START = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return START + timedelta(minutes=minutes)


def test_a_source_that_is_not_known_yet_is_never_quiet() -> None:
    cadence = Cadence()
    assert not cadence.is_quiet(None, at(0))
    assert not cadence.is_quiet(at(0), at(1000))


def test_a_pause_much_longer_than_usual_is_said_once() -> None:
    cadence = Cadence()
    for minute in range(0, 60, 5):  # every five minutes
        assert not cadence.is_quiet(at(minute), at(minute))
    assert not cadence.is_quiet(at(55), at(70))
    assert cadence.is_quiet(at(55), at(76))
    assert not cadence.is_quiet(at(55), at(90))
    assert not cadence.is_quiet(at(91), at(91))
    assert not cadence.is_quiet(at(91), at(200))  # it is known now to pause for 36 minutes
    assert cadence.is_quiet(at(91), at(240))
