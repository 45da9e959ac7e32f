"""Traces by OpenTelemetry, sent over OTLP/HTTP. Imported only where `traces` is configured.

Each bridge has a provider of its own, never the global one: libraries that trace by themselves
(Redis, FastAPI) would send keys, paths and statements by that.

The text of an exception may quote what it met, so no exception is recorded: a span that fails
says the class of the error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from typing import ParamSpec, TypeVar

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from fhirbridge.bridge.tracing import Value
from fhirbridge.logs import bound

P = ParamSpec("P")
T = TypeVar("T")

_propagator = TraceContextTextMapPropagator()
_PREFIX = "fhirbridge."


def sent(endpoint: str, *, headers: Mapping[str, str], instance: str, ratio: float) -> Traces:
    """Traces that go to a collector (`http://collector:4318/v1/traces`)."""
    exporter = OTLPSpanExporter(endpoint=endpoint, headers=dict(headers))
    provider = TracerProvider(
        resource=Resource({"service.name": "fhirbridge", "service.namespace": instance}),
        sampler=ParentBased(TraceIdRatioBased(ratio)),
        shutdown_on_exit=False,
    )
    provider.add_span_processor(BatchSpanProcessor(exporter))
    return Traces(provider)


class _Span:
    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def say(self, **attributes: Value) -> None:
        for name, value in attributes.items():
            told = list(value) if not isinstance(value, bool | int | float | str) else value
            self._span.set_attribute(_PREFIX + name, told)

    def failed(self, error: BaseException) -> None:
        self._span.set_attribute("error.type", type(error).__name__)
        self._span.set_status(trace.StatusCode.ERROR)

    def bound(self) -> AbstractContextManager[None]:
        """What is logged meanwhile names the trace, if it is one that is sent."""
        if not self._span.is_recording():
            return nullcontext()
        return bound(trace_id=trace.format_trace_id(self._span.get_span_context().trace_id))


class Traces:
    """A `bridge.tracing.Tracer`."""

    is_on = True

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("fhirbridge")

    @contextmanager
    def span(self, name: str, /, *, of: Sequence[str] = (), **attributes: Value) -> Iterator[_Span]:
        contexts = [_propagator.extract({"traceparent": each}) for each in of]
        first, others = contexts[0] if contexts else None, contexts[1:]
        links = [
            trace.Link(context)
            for each in others
            if (context := trace.get_current_span(each).get_span_context()).is_valid
        ]
        with self._tracer.start_as_current_span(
            name, first, links=links, record_exception=False, set_status_on_exception=False
        ) as span:
            told = _Span(span)
            told.say(**attributes)
            try:
                with told.bound():
                    yield told
            except BaseException as error:
                told.failed(error)
                raise

    def here(self) -> str | None:
        carrier: dict[str, str] = {}
        _propagator.inject(carrier)
        return carrier.get("traceparent")

    def carried(self, work: Callable[P, T]) -> Callable[P, T]:
        context = copy_context()

        def carried(*args: P.args, **kwargs: P.kwargs) -> T:
            return context.run(work, *args, **kwargs)

        return carried

    def close(self) -> None:
        """Send what waits to be sent."""
        self._provider.shutdown()
