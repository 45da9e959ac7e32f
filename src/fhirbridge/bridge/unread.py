"""Saying that a source is not read: once when it begins, and once when it is over.

Each person who is read would say it again; the metric counts them all (`fhirbridge_unread_total`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from fhirbridge.fhir.errors import FhirError
from fhirbridge.logs import get_logger

log = get_logger("fhirbridge")


class Unread:
    """What was said of each source that fails."""

    def __init__(self) -> None:
        self._said: dict[str, str] = {}

    def tell(self, asked: Collection[str], failed: Mapping[str, FhirError]) -> None:
        """`asked`: the sources of one read; `failed`: those of them that did not answer, and why.

        Another kind of error (refused after silent, say) is said, too."""
        for source, error in failed.items():
            kind = type(error).__name__
            if self._said.get(source) != kind:
                self._said[source] = kind
                log.warning("source_unread", source=source, kind=kind, error=error)
        for source in asked:
            if source not in failed and self._said.pop(source, ""):
                log.info("source_read_again", source=source)
