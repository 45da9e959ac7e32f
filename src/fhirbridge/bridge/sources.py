"""A source: one configured server with what it is believed for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from functools import cache
from urllib.parse import urljoin, urlsplit

from fhirbridge.core.facts import Party
from fhirbridge.core.findings import Role
from fhirbridge.fhir.kinds import types_of
from fhirbridge.fhir.profile import Fit
from fhirbridge.fhir.subscription import REST_HOOK
from fhirbridge.fhir.tagged import EVERYTHING, Only

from .makes import Make
from .ports import Server


@dataclass(frozen=True)
class Source:
    """One server, and how the site wants it used.

    `holds`: the kinds of `fhir.kinds` it is believed for. `owners`: roles that the records do
    not name. `supply`: how a therapy reaches the patient here. `channel`: how it shall notify us;
    None: it is polled. `websocket_url`: where its websocket stands, if that is configured.
    `topics`: the topic that is asked for instead of a type. `make`: what make of server it is
    (None: one that can all that R4 lets one expect).
    """

    server: Server
    holds: frozenset[str]
    channel: str | None = REST_HOOK
    websocket_url: str | None = None
    topics: Mapping[str, str] = field(default_factory=dict)
    mode: str = "shadow"
    zone: tzinfo | None = None
    owners: Mapping[Role, Party] = field(default_factory=dict)
    supply: Mapping[str, str] = field(default_factory=dict)
    make: Make | None = None
    silent_after: timedelta | None = None  # the longest usual pause of its news
    only: Only = EVERYTHING  # which records here are meant, and not strangers'

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def push(self) -> bool:
        """Whether it shall notify us."""
        return self.channel is not None

    @property
    def websocket(self) -> str | None:
        """Where its websocket stands: as configured, else as its make or the server itself says."""
        if self.websocket_url is not None:
            return self.websocket_url
        said = self.fit.subscribing.websocket
        if said is None:
            return None
        url = urlsplit(urljoin(self.server.base_url, said))
        scheme = {"http": "ws", "https": "wss"}.get(url.scheme, url.scheme)
        return url._replace(scheme=scheme).geturl()

    @property
    def types(self) -> tuple[str, ...]:
        """The resource types that are read here, without Patient."""
        return _types(self.holds, self.has_tasks)

    @property
    def fit(self) -> Fit:
        """How to write to it, as far as is known."""
        return self.make.fit if self.make else Fit()

    def learn(self) -> Fit:
        """How to write to it; asks the server where that is not known. Raises `FhirError`."""
        return self.make.learn() if self.make else Fit()

    @property
    def has_tasks(self) -> bool:
        """Whether Tasks can stand on this server; else its worklist is our own."""
        return "Task" in self.fit.takes

    @property
    def shows_acceptance(self) -> bool:
        """Whether people can say in a Task that they have begun, so that we see it."""
        return self.has_tasks and self.fit.statuses.get("accepted", "accepted") == "accepted"


@cache  # asked for each event
def _types(holds: frozenset[str], has_tasks: bool) -> tuple[str, ...]:
    return tuple(each for each in types_of(holds) if has_tasks or each != "Task")
