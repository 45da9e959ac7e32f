"""One FHIR server: read a patient's chart, see what changed, write.

`Server` is synchronous and thread-safe; `http` carries its requests. What it raises is named by
what to do next (`errors`). A cached search is never taken (`Cache-Control: no-cache`; never
`no-store`, with which HAPI cuts silently: docs/servers.md 1), and no page on another host is
fetched.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from .answers import (
    Receipt,
    collect,
    entries,
    link,
    receipt,
    shown,
    transaction_receipts,
    types_with_history,
)
from .auth import NONE, Auth
from .chart import Chart, chart_query, full_types, ignored_revincludes, type_query
from .errors import FhirError, Gone, Rejected
from .http import Http, Transport
from .pages import COUNT, KNOWN_AGAIN, Expired, Pages
from .recent import Recent
from .references import ID, TYPE, Place
from .rising import Rising
from .tagged import EVERYTHING, Only
from .throttle import Throttle
from .told import Told, told_entry


class Server:
    """A FHIR R4 server, known by its name in the configuration.

    `timeout`: seconds without a byte before giving up; a whole answer may take ten times that.
    `retries`: further tries of a read. `requests` counts every HTTP request that was sent.
    `only`: which of its records are meant; others are left out. `transport` replaces the network
    (tests). `tls`: whom to trust, and our own certificate.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        *,
        auth: Auth = NONE,
        timeout: float = 30.0,
        retries: int = 2,
        max_bytes: int = 64 * 2**20,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: Transport | None = None,
        tls: ssl.SSLContext | None = None,
        at_once: int = 8,
        a_second: float = 0,
        only: Only = EVERYTHING,
    ) -> None:
        self.name, self.base_url = name, base_url.rstrip("/")
        self._clock, self._auth, self._only = clock, auth, only
        self._http = Http(
            name,
            auth=auth,
            timeout=timeout,
            retries=retries,
            max_bytes=max_bytes,
            sleep=sleep,
            clock=clock,
            transport=transport,
            tls=tls,
            throttle=Throttle(at_once=at_once, a_second=a_second, clock=clock, sleep=sleep),
        )
        self._pages = Pages(name, self.base_url, self._http)
        self._history: frozenset[str] | None = None

    def close(self) -> None:
        self._http.close()

    def sign_in(self) -> Mapping[str, str]:
        """The headers by which we sign in now, for a connection that is no request."""
        return self._auth.headers()

    @property
    def requests(self) -> int:
        """How many HTTP requests were sent."""
        return self._http.requests

    def now(self) -> datetime:
        """The server's own time, by the Date header of its latest answer (to the second)."""
        return self._clock() + self._http.clock_offset

    def at(self, moment: datetime) -> datetime:
        """A past moment of our clock by the server's own. Never later than its latest answer: our
        clock may have been set back since."""
        there, latest = moment + self._http.clock_offset, self._http.latest
        return there if latest is None else min(there, latest)

    # --- reading

    def capabilities(self) -> dict[str, Any]:
        """The server's CapabilityStatement."""
        return self._http.read("read the CapabilityStatement", f"{self.base_url}/metadata")

    def get(self, type: str, id: str) -> dict[str, Any] | None:
        """One resource; None when the server does not know it (or hides it from us).

        Raises `Gone` when it says that the resource was deleted.
        """
        try:
            return self._http.read(f"read {type}/{id}", self._record(Place(type, id)))
        except Rejected as error:
            if error.status == 404:
                return None
            raise

    def former(self, type: str, id: str) -> dict[str, Any] | None:
        """What a record said before it was deleted, by its history; None where none is kept."""
        place = Place(type, id)
        try:
            page = self._http.read(
                f"read the history of {type}/{id}", f"{self._record(place)}/_history"
            )
        except (Gone, Rejected):
            return None
        said = (entry.get("resource") for entry in entries(page))
        return next((each for each in said if isinstance(each, dict)), None)

    def chart(self, query: Mapping[str, str], types: Sequence[str]) -> Chart:
        """The Patients that `query` finds (`_id` or `identifier`), with all records of `types`.

        One request, plus one search for each type that the answer may have cut. Such a type is
        in `Chart.cut` when that search fails too. Identifier values travel in a form body.
        """
        read_at = self._clock()
        pairs = chart_query({**query, **self._only.query("Patient")}, types)
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        again: set[str] = set()
        for page in self._pages.each("Patient", pairs, post="_id" not in query):
            if ignored_revincludes(link(page, "self")):
                again |= set(types)
            collect(found, page)
        again |= full_types(list(found.values()))
        patients = [id_ for type_, id_ in found if type_ == "Patient"]
        cut = again - set(types) - {"Patient"}
        for type_ in sorted(again & set(types) - {"Patient"}) if patients else ():
            try:
                for page in self._pages.each(type_, [*type_query(type_, patients), COUNT]):
                    collect(found, page)
            except FhirError:
                cut.add(type_)
        return Chart(self._only.kept(found.values()), frozenset(cut), read_at)

    def search(self, type: str, params: Mapping[str, str]) -> Iterator[dict[str, Any]]:
        """Every resource that a search finds, page by page, each version once.

        A page that expired on the way (HAPI forgets a search after an hour) restarts the search
        once.
        """
        for entry in self._pages.entries(type, list(params.items())):
            resource = entry.get("resource")
            if isinstance(resource, dict):
                yield resource

    def changes(self, type: str, since: datetime) -> Iterator[Told]:
        """What changed since a moment of the *server's* clock, each record once as far as
        `KNOWN_AGAIN` reaches.

        By history where the server has it for this type: newest first, deletes included.
        Otherwise by `_lastUpdated`, oldest first, deletes unseen. Only when the iterator has
        ended has everything been told. Let `since` overlap the last look by minutes: servers
        set lastUpdated before they commit.
        """
        # A history cannot be searched by a tag, and that of a server of everybody's has no end.
        if self._only != EVERYTHING or type not in self._types_with_history():
            yield from self.standing(type, Rising(since))
            return
        seen = Recent(KNOWN_AGAIN)
        for entry in self._pages.entries(type, [("_since", _instant(since))], path="/_history"):
            told = told_entry(self.name, entry, (self.base_url,))
            # Not an older version of what was told already.
            if told and told.event.type == type and seen.is_new(told.event.id):
                yield told

    def standing(self, type: str, rising: Rising) -> Iterator[Told]:
        """The records of a type as they stand, from `rising.since` on by the *server's* clock, the
        longest unchanged first; deletes unseen. `rising` tells how far that has come.

        A page that expired on the way is no reason to begin anew: the search is made again from
        where it had come.
        """
        while True:
            since = rising.goes_on()
            pairs = [
                ("_lastUpdated", f"ge{_instant(since)}"),
                ("_sort", "_lastUpdated"),
                *self._only.query(type).items(),
            ]
            try:
                for entry in self._pages.entries(type, pairs, tries=1):
                    told = told_entry(self.name, entry, (self.base_url,))
                    if told and told.event.type == type:
                        rising.saw(told.event.last_updated)
                        yield told
                return
            except Expired:
                if rising.reached <= since:
                    raise

    def missed_events(self, subscription: str, first: int, last: int) -> dict[str, Any]:
        """The events of a topic Subscription with these numbers, both included: its notification
        of type query-event (Backport 1.1.0 and R5, `$events`). A server may keep fewer."""
        numbers = urlencode([("eventsSinceNumber", first), ("eventsUntilNumber", last)])
        url = f"{self._record(Place('Subscription', subscription))}/$events?{numbers}"
        return self._http.read(f"ask for events of Subscription/{subscription}", url)

    # --- writing

    def transact(self, bundle: Mapping[str, Any]) -> list[Receipt]:
        """Send a transaction Bundle: all of it or nothing. One receipt for each entry, in order.

        `Conflict`: a version or a condition did not hold. `Unavailable` may mean that it was
        done and the answer was lost: read again before deciding.
        """
        operation = f"transaction of {len(bundle.get('entry') or [])}"
        answer = self._http.write(operation, "POST", self.base_url, bundle).document or {}
        receipts = transaction_receipts(bundle, answer, self.base_url)
        if receipts is None:
            raise Rejected(
                self.name, operation, "the answer does not say what became of each entry"
            )
        return receipts

    def create(self, resource: Mapping[str, Any], *, if_none_exist: str | None = None) -> Receipt:
        """Create; with `if_none_exist` (a search such as `identifier=…`) only if none is found."""
        headers = {"If-None-Exist": if_none_exist} if if_none_exist else {}
        type_ = str(resource["resourceType"])
        url = f"{self.base_url}/{type_}"
        return self._write(f"create {type_}", "POST", url, None, headers, resource)

    def update(self, resource: Mapping[str, Any], *, if_match: str | None = None) -> Receipt:
        """Put the resource at its own id; with `if_match` only if that version is the newest."""
        place = Place(str(resource["resourceType"]), str(resource["id"]))
        headers = {"If-Match": f'W/"{if_match}"'} if if_match else {}
        operation = f"update {place.type}/{place.id}"
        return self._write(operation, "PUT", self._record(place), place, headers, resource)

    def delete(self, type: str, id: str, *, if_match: str | None = None) -> Receipt:
        """Delete; a record that is gone already is a success of the server's choice (or `Gone`)."""
        place = Place(type, id)
        headers = {"If-Match": f'W/"{if_match}"'} if if_match else {}
        done = self._write(f"delete {type}/{id}", "DELETE", self._record(place), place, headers)
        return replace(done, version=None)  # HAPI answers the version that was deleted

    def _write(
        self,
        operation: str,
        method: str,
        url: str,
        place: Place | None,
        headers: Mapping[str, str],
        resource: Mapping[str, Any] | None = None,
    ) -> Receipt:
        answer = self._http.write(operation, method, url, resource, headers)
        place = place or shown(answer.document, resource)
        done = receipt(answer.status, answer.location, answer.etag, self.base_url, place)
        if done is None:
            raise Rejected(self.name, operation, "the answer names no Location: what was written?")
        return done

    def _types_with_history(self) -> frozenset[str]:
        if self._history is None:
            self._history = types_with_history(self.capabilities())
        return self._history

    def _record(self, place: Place) -> str:
        if not (TYPE.fullmatch(place.type) and ID.fullmatch(place.id)):
            raise Rejected(self.name, "address a record", "its type or id is none that FHIR allows")
        return f"{self.base_url}/{place.type}/{place.id}"


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
