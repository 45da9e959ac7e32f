"""Traces: one from the notification to the written Task, and nothing of a person in it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from fhirbridge import traces, wiring
from fhirbridge.bridge.tracing import UNTRACED
from fhirbridge.fhir import jsonio
from fhirbridge.logs import get_logger
from fhirbridge.settings import Misconfigured, Settings
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Estate, dispense, order, people, visit
from tests.web.test_door import HOOK, SECRET, Caller

pytestmark = pytest.mark.lives

log = get_logger("fhirbridge.test")

BEGUN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Recorder:
    """Traces that stay in memory."""

    def __init__(self) -> None:
        self._kept = InMemorySpanExporter()
        provider = TracerProvider(shutdown_on_exit=False)
        provider.add_span_processor(SimpleSpanProcessor(self._kept))
        self.tracer = traces.Traces(provider)

    @property
    def spans(self) -> list[ReadableSpan]:
        return list(self._kept.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def clear(self) -> None:
        self._kept.clear()

    def shown(self) -> str:
        """Everything that a collector gets to see."""
        return "\n".join(span.to_json() for span in self.spans)


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    made = Recorder()
    yield made
    made.tracer.close()


@pytest.fixture
def traced(tmp_path: Path, recorder: Recorder) -> Iterator[Estate]:
    estate = Estate(tmp_path)
    people(estate)
    estate.traces = recorder.tracer
    estate.restart()
    yield estate
    estate.close()


def trace(span: ReadableSpan) -> int:
    assert span.context
    return int(span.context.trace_id)


def parent(span: ReadableSpan, among: list[ReadableSpan]) -> str | None:
    ids = {each.context.span_id: each.name for each in among if each.context}
    return ids.get(span.parent.span_id) if span.parent else None


def test_one_trace_from_the_notification_to_the_task(traced: Estate, recorder: Recorder) -> None:
    bridge = traced.bridge
    traced.work()
    door = Caller(app(bridge, Metrics(bridge.store, traced.clock), Console(bridge)))
    recorder.clear()
    body = jsonio.dumps(traced.put("ehr", order(), tell=False))
    headers = {**SECRET, "traceparent": BEGUN}
    assert door("PUT", f"{HOOK}/MedicationRequest/o-1", content=body, headers=headers).is_success
    traced.work()
    assert traced.tasks()
    spans = recorder.spans
    assert {f"{trace(span):032x}" for span in spans} == {BEGUN.split("-")[1]}
    assert {(span.name, parent(span, spans)) for span in spans} == {
        ("notification", None),
        ("journal", "notification"),
        ("work", "notification"),
        ("gather", "work"),
        ("read", "gather"),
        ("decide", "work"),
        ("write", "work"),
    }
    reads = {(span.attributes or {})["fhirbridge.source"] for span in recorder.named("read")}
    assert reads == {"ehr", "payer", "pharmacy"}
    (decide,), (write,) = recorder.named("decide"), recorder.named("write")
    assert decide.attributes
    assert decide.attributes["fhirbridge.findings"]
    assert decide.attributes["fhirbridge.rules"]
    assert write.attributes
    assert write.attributes["fhirbridge.intents"]
    assert int(str(write.attributes["fhirbridge.created"])) >= len(traced.tasks())


def test_changes_that_come_together_are_linked(traced: Estate, recorder: Recorder) -> None:
    traced.put("ehr", order())
    traced.work()
    recorder.clear()
    moved = visit(description="moved")
    for resource, server in ((visit(), "ehr"), (moved, "ehr"), (dispense(mg=300), "pharmacy")):
        with recorder.tracer.span("notification"):
            traced.put(server, resource)
    traced.work()
    news = recorder.named("notification")
    works = [span for span in recorder.named("work") if span.links]
    assert len(works) == 1
    (work,) = works
    assert trace(work) == trace(news[0])
    assert {link.context.trace_id for link in work.links} == {trace(each) for each in news[1:]}


def test_a_record_that_must_be_read_first_keeps_the_trace(
    traced: Estate, recorder: Recorder
) -> None:
    traced.work()
    recorder.clear()
    traced.put("ehr", order(), tell=False)
    with recorder.tracer.span("notification"):
        traced.notify("ehr", "PUT", "MedicationRequest/o-1", b"")
    traced.work()
    assert traced.tasks()
    assert len({trace(span) for span in recorder.spans}) == 1
    assert [span.name for span in recorder.spans].count("work") == 2


def test_what_fails_is_named_by_its_class_alone(traced: Estate, recorder: Recorder) -> None:
    traced.work()
    traced.put("ehr", order())
    traced.servers["ehr"].down = 500
    recorder.clear()
    traced.work()
    (work,) = [span for span in recorder.named("work") if not span.status.is_ok]
    assert work.attributes
    assert work.attributes["error.type"] == "Unavailable"
    assert not work.status.description
    assert not [event for span in recorder.spans for event in span.events]
    shown = recorder.shown()
    for hidden in ("p-1", "o-1", "Patient/", "http://", "s3cret", "1980"):
        assert hidden not in shown


def test_the_log_names_the_trace_of_what_failed(
    traced: Estate, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    traced.put("ehr", order())
    traced.servers["ehr"].down = 500
    recorder.clear()
    traced.work()
    log.warning("broker_lost")
    told: list[Any] = [record.msg for record in caplog.records]
    outside = told.pop()
    failed = [each for each in told if each["event"] == "work_failed"]
    works = {f"{trace(span):032x}" for span in recorder.named("work")}
    assert failed
    assert {each["trace_id"] for each in failed} <= works
    assert "trace_id" not in outside


def test_without_configuration_nothing_is_traced_and_nothing_imported() -> None:
    assert wiring.tracer(Settings()) is UNTRACED
    assert UNTRACED.here() is None
    assert UNTRACED.carried(len) is len
    program = (
        "import sys; from fhirbridge import wiring, cli; from fhirbridge.web import service;"
        " print([name for name in sys.modules if name.startswith('opentelemetry.sdk')"
        " or name == 'fhirbridge.traces'])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_traces_are_configured(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = Settings.model_validate(
        {"traces": {"endpoint": "http://127.0.0.1:9/v1/traces", "headers": {"X-Key": "k"}}}
    )
    assert "'k'" not in repr(wanted)
    made = wiring.tracer(wanted)
    assert made.is_on
    made.close()
    monkeypatch.setitem(sys.modules, "fhirbridge.traces", None)
    with pytest.raises(Misconfigured, match=r"requirements/otel\.txt"):
        wiring.tracer(wanted)
