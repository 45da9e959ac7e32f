"""Answers that come page by page: to their end, in no circle, and from one server alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote_plus, urljoin, urlsplit

from .answers import entries as listed
from .answers import entry_key, link
from .chart import Query
from .errors import Gone, Rejected, Unavailable
from .http import Http
from .recent import Recent

COUNT = ("_count", "200")  # servers have their own maximum (HAPI as built here: 50)
#: Pages that one answer may have; of a catch-up, pages in a row that bring nothing new.
MAX_PAGES = 20_000
#: Entries of a search that are known again. Later the store knows them: a catch-up has millions.
KNOWN_AGAIN = 100_000


class Expired(Unavailable):
    """The server forgot a search while it was read page by page."""


class Pages:
    """What one server answers to searches and histories."""

    def __init__(self, name: str, base_url: str, http: Http) -> None:
        self._name, self._base, self._http = name, base_url, http

    def entries(
        self, type: str, pairs: Query, *, path: str = "", tries: int = 2
    ) -> Iterator[Mapping[str, Any]]:
        """The entries of all pages, each version of a record once; a search that expired is made
        again, so many `tries`."""
        seen, idle = Recent(KNOWN_AGAIN), 0
        for left in reversed(range(tries)):
            try:
                for page in self.each(type, [*pairs, COUNT], path=path, endless=True):
                    idle += 1
                    for entry in listed(page):
                        key = entry_key(entry)
                        if key is None or seen.is_new(key):
                            idle = 0
                            yield entry
                    if idle >= MAX_PAGES:
                        raise self._circle(_operation(type, path))
                return
            except Expired:
                if not left:
                    raise

    def each(
        self,
        type: str,
        pairs: Query,
        *,
        path: str = "",
        post: bool = False,
        endless: bool = False,
    ) -> Iterator[dict[str, Any]]:
        """Page after page. `post`: the parameters travel in a body. Raises `Expired`, and
        `Rejected` where the pages lead in a circle; `endless`: however many there are."""
        operation = _operation(type, path)
        url = f"{self._base}/{type}{path}"
        form = pairs if post else None
        url += "/_search" if post else f"?{_query(pairs)}"
        visited, count = Recent(MAX_PAGES), 0
        while True:
            try:
                page = self._http.read(operation, url, form=form)
            except (Gone, Rejected) as error:
                if count and error.status in (404, 410):
                    why = "a page of the answer expired: search again"
                    raise Expired(self._name, operation, why, status=error.status) from None
                raise
            if page.get("resourceType") != "Bundle":
                raise Rejected(self._name, operation, "the answer is no Bundle")
            yield page
            following = link(page, "next")
            if following is None:
                return
            count += 1
            visited.is_new(url)
            form, url = None, self._same_server(operation, following)
            if not visited.is_new(url) or (count >= MAX_PAGES and not endless):
                raise self._circle(operation)

    def _circle(self, operation: str) -> Rejected:
        return Rejected(self._name, operation, "its pages lead in a circle: the server's fault")

    def _same_server(self, operation: str, url: str) -> str:
        """A `next` link is opaque, but it has to be on the server that we meant to ask."""
        try:
            url = urljoin(f"{self._base}/", url)
            here = _origin(url) == _origin(self._base)
        except ValueError:  # no address at all
            here = False
        if not here:
            raise Rejected(
                self._name,
                operation,
                "the next page is on another host: make base_url and the address that the server"
                " writes into its links (HAPI: server_address) the same",
            )
        return url


def _query(pairs: Query) -> str:
    return "&".join(f"{_quoted(name)}={_quoted(value)}" for name, value in pairs)


#: Most of a search is the same for everybody.
_quoted = lru_cache(1024)(quote_plus)


def _operation(type: str, path: str) -> str:
    return f"read the history of {type}" if path else f"search {type}"


def _origin(url: str) -> tuple[str, str | None, int | None]:
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)
