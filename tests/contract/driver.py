"""What the contract tests use to talk to a server and to hear from it."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

from fhirbridge.fhir.jsonio import dumps, loads
from tests.contract.profiles import Profile

Json = dict[str, Any]


@dataclass
class Answer:
    """A reply: status, headers, and the resource if there is one."""

    status: int
    headers: httpx.Headers
    body: Any

    @property
    def diagnostics(self) -> str:
        """The text of the first issue of an OperationOutcome."""
        assert self.body["resourceType"] == "OperationOutcome"
        return str(self.body["issue"][0]["diagnostics"])


class Fhir:
    """A server under test, and a name space of its own for one test (`u`)."""

    def __init__(self, base_url: str, profile: Profile, http: httpx.Client, unique: str) -> None:
        self.base_url, self.profile, self.u = base_url, profile, unique
        self.system = f"urn:test:{unique}"
        self.subscribed: list[str] = []
        self._http = http

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Send one request; header names with underscores."""
        sent = {"Content-Type": "application/fhir+json", "Cache-Control": "no-cache"}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        content = body if isinstance(body, bytes | None) else dumps(body)
        url = path if path.startswith("http") else f"{self.base_url}/{path}".rstrip("/")
        reply = self._http.request(method, url, content=content, headers=sent)
        json = "json" in reply.headers.get("content-type", "") and reply.content
        return Answer(reply.status_code, reply.headers, loads(reply.content) if json else None)

    def refused(self, answer: Answer, status: int, code: str) -> bool:
        """Whether the answer has the status and, on HAPI and its like, the code."""
        coded = not self.profile.codes or status < 400 or code in answer.diagnostics
        return answer.status == status and coded

    def get(self, path: str, **headers: str) -> Answer:
        return self.call("GET", path, **headers)

    def put(self, resource: Json, **headers: str) -> Answer:
        """PUT; the caller looks at the status."""
        return self.call("PUT", f"{resource['resourceType']}/{resource['id']}", resource, **headers)

    def made(self, resource: Json) -> Json:
        """PUT that must succeed."""
        answer = self.put(resource)
        assert answer.status in (200, 201), answer.body
        return dict(answer.body)

    def patient(self, name: str = "p") -> Json:
        """A patient of this test."""
        identifier = {"system": self.system, "value": name}
        return self.made(
            {"resourceType": "Patient", "id": self.id(name), "identifier": [identifier]}
        )

    def id(self, name: str) -> str:
        return f"{name}-{self.u}"

    def task(self, name: str = "t", patient: str = "", **fields: Any) -> Json:
        """A Task of this test, not sent; its identifier is its name."""
        plain: Json = {"resourceType": "Task", "id": self.id(name), "status": "requested"}
        plain |= {"intent": "order", "identifier": [{"system": self.system, "value": name}]}
        point = {"for": {"reference": patient}} if patient else {}
        return plain | point | fields

    def bundle(self, kind: str, *entries: Json) -> Answer:
        """POST a transaction or batch."""
        return self.call("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [*entries]})

    def ids(self, path: str) -> list[str]:
        """Ids of all entries of a search, all pages."""
        return [e["resource"]["id"] for page in self.pages(path) for e in page.get("entry", [])]

    def pages(self, path: str) -> Iterator[Json]:
        """All pages of a search or history."""
        following: str | None = path
        while following:
            answer = self.get(following)
            assert answer.status == 200, answer.body
            yield answer.body
            links = {link["relation"]: link["url"] for link in answer.body.get("link", [])}
            following = links.get("next")

    def eventually(self, condition: Callable[[], Any], what: str) -> Any:
        """Poll until the condition holds."""
        deadline = time.monotonic() + self.profile.patience
        while time.monotonic() < deadline:
            if result := condition():
                return result
            time.sleep(0.02 if self.profile.patience < 10 else 0.25)
        pytest.fail(f"not within {self.profile.patience} s: {what}")

    def subscribe(self, criteria: str, endpoint: str, **channel: Any) -> Json:
        """Make a rest-hook Subscription and wait until it is active."""
        asked = self.subscription(criteria, endpoint, **channel)
        return self.activated(asked, at_first=("requested",))

    def activated(
        self, asked: Json, *, at_first: Collection[str] = ("requested", "active")
    ) -> Json:
        """The Subscription that was asked for, when the server has made it active."""
        answer = self.call("POST", "Subscription", asked)
        assert answer.status == 201, answer.body
        assert answer.body["status"] in at_first
        place = f"Subscription/{answer.body['id']}"
        self.subscribed.append(place)
        self.eventually(lambda: self.get(place).body["status"] == "active", "active")
        return dict(self.get(place).body)

    def unsubscribe(self) -> None:
        """Leave no dead endpoint behind: deliveries to it would hold up those of other tests."""
        for place in self.subscribed:
            self.call("DELETE", place)

    def subscription(self, criteria: str, endpoint: str, **channel: Any) -> Json:
        wanted = {"type": "rest-hook", "endpoint": endpoint, "payload": "application/fhir+json"}
        wanted = {name: value for name, value in (wanted | channel).items() if value is not None}
        return {
            "resourceType": "Subscription",
            "status": "requested",
            "reason": "contract test",
            "criteria": criteria,
            "channel": wanted,
        }


@dataclass
class Heard:
    """One delivery."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Listener:
    """An endpoint that keeps what arrives and answers as it is told (then 204)."""

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.answers: Iterator[tuple[int, str, bytes]] = itertools.repeat((204, "", b""))
        self.url = ""

    def about(self, id_: str) -> list[Heard]:
        """Deliveries of one resource."""
        return [one for one in self.heard if one.path.endswith(f"/{id_}")]

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        listener = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                listener.heard.append(Heard(self.command, self.path, headers, body))
                status, kind, content = next(listener.answers, (204, "", b""))
                self.send_response(status)
                if kind:
                    self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_PUT = do_POST = do_DELETE = answer

            def log_message(self, *_: Any) -> None:
                """Silent."""

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as door:
            thread = threading.Thread(target=door.serve_forever, args=(0.02,), daemon=True)
            thread.start()
            self.url = f"http://127.0.0.1:{door.server_port}/hook"
            yield self
            door.shutdown()
            thread.join()
