"""What a worker process does beside the work, without a broker."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from fhirbridge import wiring, worker
from fhirbridge.settings import Misconfigured, Settings, read
from fhirbridge.store.records import Unwritable
from tests.bridge.estate import Estate, patient


class Hours(threading.Event):
    """Each wait is over at once, until so many have passed."""

    def __init__(self, count: int) -> None:
        super().__init__()
        self.left = count

    def wait(self, timeout: float | None = None) -> bool:
        assert timeout == 3600
        self.left -= 1
        return self.left < 0


def test_a_lone_worker_forgets_what_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate(tmp_path)
    estate.put("ehr", patient())
    estate.work()
    assert estate.bridge.store.recent()
    worker._forgets(estate.bridge, Hours(1))
    assert estate.bridge.store.recent()
    estate.clock.now += estate.bridge.pace.keep * 2
    forget, calls = estate.bridge.forget, []

    def full(stopped: object) -> int:
        calls.append(stopped)
        if len(calls) == 1:
            raise Unwritable("store: SQLITE_FULL")
        return forget(lambda: False)

    monkeypatch.setattr(estate.bridge, "forget", full)
    worker._forgets(estate.bridge, Hours(2))  # the first time it cannot
    assert not estate.bridge.store.recent()
    estate.close()


def test_a_defect_ends_no_thread_and_is_not_quoted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Nobody would ring timers any more, and nobody would see that."""
    estate, calls = Estate(tmp_path), list[int]()

    def broken(_: object) -> int:
        calls.append(1)
        raise ValueError("Jane Doe")

    monkeypatch.setattr(estate.bridge, "forget", broken)
    worker._forgets(estate.bridge, Hours(3))
    estate.close()
    assert len(calls) == 3
    assert caplog.text.count("thread_met_defect") == 3
    assert "Jane" not in caplog.text


def test_the_load_on_a_server_is_shared_by_the_processes(tmp_path: Path) -> None:
    text = """
processes: 3
store: sqlite:///x.db
servers:
  ehr:
    base_url: http://127.0.0.1:1/fhir
    holds: [worklist]
    requests_at_once: 10
    requests_per_second: 6
"""
    file = tmp_path / "fhirbridge.yaml"
    file.write_text(text, encoding="utf-8")
    settings: Settings = read(file, {})
    source = wiring.source("ehr", settings, clock=wiring.now)
    throttle = source.server._http._throttle  # type: ignore[attr-defined]  # the port has no such part
    assert throttle._lanes._value == 3  # three times three are no more than ten
    assert throttle._apart.total_seconds() == pytest.approx(0.5)  # and three times two are six
    file.write_text(text.replace("at_once: 10", "at_once: 2"), encoding="utf-8")
    with pytest.raises(Misconfigured, match="2 cannot be shared by 3 processes"):
        read(file, {})
