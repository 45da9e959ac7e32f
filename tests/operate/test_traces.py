"""Traces really reach a collector: OTLP over HTTP, with the headers that it wants."""

from __future__ import annotations

import gzip
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from fhirbridge import wiring
from fhirbridge.settings import Settings


def test_spans_reach_the_collector() -> None:
    got: list[tuple[str, str | None, bytes]] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            got.append((self.path, self.headers.get("X-Key"), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/v1/traces"
        traces = {"endpoint": url, "headers": {"X-Key": "canary"}}
        made = wiring.tracer(Settings.model_validate({"instance": "st-mary", "traces": traces}))
        with made.span("work", kind="Patient"), made.span("write", intents=2):
            pass
        made.close()  # sends what waits
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    ((path, key, body),) = got
    assert (path, key) == ("/v1/traces", "canary")
    request = ExportTraceServiceRequest()
    request.ParseFromString(body)
    (sent,) = request.resource_spans
    assert "st-mary" in str(sent.resource)
    assert [span.name for scope in sent.scope_spans for span in scope.spans] == ["write", "work"]
