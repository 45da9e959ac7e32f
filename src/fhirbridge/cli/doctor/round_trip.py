"""A round trip: does a change on a server really reach us?

On each server that pushes, a Subscription and a record of our own are made, the record is
changed, and the notification has to arrive at `public_url`. Both are deleted afterwards, whatever
happened. If `fhirbridge serve` runs, it is the one that hears (it has the same store); else a door
is opened for the occasion, so that all but the start of the service can be tried beforehand.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fhirbridge import signing, wiring
from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.sources import Source
from fhirbridge.cli.serving import listens_at
from fhirbridge.fhir.errors import FhirError
from fhirbridge.fhir.subscription import wanted
from fhirbridge.settings import Settings
from fhirbridge.store.records import SubscriptionRow

from .signs import Sign, fails, note, ok
from .site import UNTRUSTED, health

_PATIENCE = 60.0  # seconds; HAPI was measured to need 3 to 5 for each step
_LASTS = timedelta(minutes=10)  # the Subscription ends by itself if we are killed
_TAG = {"system": "urn:fhirbridge:tag", "code": "fhirbridge-probe"}
#: Records of our own that may be made for a moment, the most harmless first.
_PROBES: tuple[dict[str, Any], ...] = (
    {"resourceType": "Basic", "code": {"text": "fhirbridge doctor: may be deleted"}},
    {
        "resourceType": "Task",
        "status": "draft",
        "intent": "proposal",
        "description": "fhirbridge doctor: may be deleted",
    },
)

_UNREACHED = (
    "let the server reach that address: in a container, 127.0.0.1 and localhost are the container"
    " itself (use host.docker.internal, or our service's name); else look for a firewall, a proxy,"
    " or a certificate of ours that it does not trust"
)


def until(condition: Callable[[], bool], *, patience: float = _PATIENCE) -> bool:
    """Waits for a condition; False if it did not come true."""
    end = time.monotonic() + patience
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def round_trips(
    found: Settings, *, wait: Callable[[Callable[[], bool]], bool] = until
) -> Iterator[Sign]:
    """One trip for each server that pushes."""
    with ExitStack() as stack:
        bridge = wiring.wire(found)
        stack.callback(wiring.unwire, bridge)
        if health(found.public_url) is None:
            from fhirbridge.web.gate import Management
            from fhirbridge.web.service import Service

            try:
                host, port = listens_at(found.public_url, direct=found.tls is not None)
                door = Service(
                    bridge,
                    host=host,
                    port=port,
                    workers=0,
                    management=Management.of(found, host),
                    tls=signing.own_tls(found),
                )
            except OSError as error:
                yield fails("round trip", str(error), "end what listens there")
                return
            stack.enter_context(door)
            answer = health(found.public_url)
            if answer != (200, "ok") and (answer is None or answer[0] != UNTRUSTED):
                yield fails(
                    "round trip",
                    f"we listen at {door.url}, and {found.public_url} does not lead there",
                    "check the proxy, the published port and the firewall between",
                )
                return
        for source in bridge.sources.values():
            if source.push:
                yield from _Trip(source, bridge, found, wait).signs()


@dataclass
class _Trip:
    source: Source
    bridge: Bridge
    found: Settings
    wait: Callable[[Callable[[], bool]], bool]

    def signs(self) -> Iterator[Sign]:
        name = f"{self.source.name} round trip"
        probe = self._probe()
        if probe is None:
            yield note(name, "not tried: the server holds neither Basic nor Task")
            return
        with ExitStack() as after:
            left: list[str] = []
            try:
                yield self._tried(name, probe, after, left)
            except FhirError as error:
                yield fails(name, str(error), "see what it says; `subscribe: poll` needs no push")
            after.close()
            for each in left:
                yield note(name, f"{each} could not be deleted", "delete it by hand")

    def _probe(self) -> dict[str, Any] | None:
        rest: Any = next(iter(self.source.server.capabilities().get("rest") or ()), {})
        offered = {each.get("type") for each in rest.get("resource") or ()}
        return next((probe for probe in _PROBES if probe["resourceType"] in offered), None)

    def _tried(self, name: str, probe: dict[str, Any], after: ExitStack, left: list[str]) -> Sign:
        type_ = probe["resourceType"]
        standing = self.bridge.store.subscription(self.source.name, type_)
        if standing is None or standing.state != "active":
            link = self._subscribed(type_, after, left)
            if not self.wait(lambda: self._status(link) in ("active", "error", "off")):
                return fails(
                    name,
                    "the Subscription stays “requested”: the server does not start rest-hooks",
                    "switch them on (HAPI: hapi.fhir.subscription.resthook_enabled: true), or set"
                    f" `subscribe: poll` for {self.source.name}",
                )
            if (status := self._status(link)) != "active":
                return fails(
                    name,
                    f"the Subscription is “{status}”: the server cannot reach"
                    f" {self.found.public_url}",
                    self._remedy(),
                )
        caused = self.bridge.clock()
        made = self.source.server.create({**probe, "meta": {"tag": [_TAG]}}).id
        after.callback(self._delete, type_, made, left)
        if not self.wait(lambda: self._heard(type_, caused)):
            return fails(
                name,
                "the Subscription is active, and of a change nothing arrived at"
                f" {self.found.public_url}",
                self._remedy(),
            )
        took = (self.bridge.clock() - caused).total_seconds()
        return ok(name, f"a change of {type_} arrived after {took:.1f} s; all was deleted again")

    def _remedy(self) -> str:
        """What nobody vouches for here is the likeliest reason elsewhere, too."""
        answer = health(self.found.public_url)
        if answer is None or answer[0] != UNTRUSTED:
            return _UNREACHED
        return (
            f"have {self.source.name} trust our certificate, which this machine does not trust"
            f" either ({answer[1]}): put its authority into the trust store of the server (Java:"
            " keytool -importcert -cacerts), or take one of an authority that it knows. If it"
            f" trusts it, {_UNREACHED}"
        )

    def _subscribed(self, type_: str, after: ExitStack, left: list[str]) -> str:
        """Make a Subscription of our own; the row is on disk first, as the supervisor does."""
        store, now = self.bridge.store, self.bridge.clock()
        row = SubscriptionRow(
            source=self.source.name,
            type=type_,
            key=wiring.names(),
            secret=wiring.names(),
            previous_secret=None,
            server_id=None,
            state="requested",
            since=now,
        )
        before = store.subscription(self.source.name, type_)
        store.save_subscription(row)
        if before is None:
            after.callback(store.forget_subscription, self.source.name, type_)
        else:
            after.callback(store.save_subscription, before)
        self.bridge.intake.renew()
        asked = wanted(
            instance=f"{self.found.instance}-doctor",
            server=self.source.name,
            type_=type_,
            public_url=self.found.public_url,
            key=row.key,
            secret=row.secret,
            end=now + _LASTS,
        )
        made = self.source.server.create(asked).id
        after.callback(self._delete, "Subscription", made, left)
        return made

    def _status(self, id_: str) -> str:
        return str((self.source.server.get("Subscription", id_) or {}).get("status"))

    def _heard(self, type_: str, since: Any) -> bool:
        row = self.bridge.store.subscription(self.source.name, type_)
        return row is not None and row.last_heard is not None and row.last_heard >= since

    def _delete(self, type_: str, id_: str, left: list[str]) -> None:
        try:
            self.source.server.delete(type_, id_)
        except FhirError:
            left.append(f"{type_}/{id_}")
