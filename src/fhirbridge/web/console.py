"""The console: one page that says whether the bridge is well, and what it said last.

References and counts only: a person is found by the reference, on the server that may show him.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime
from threading import Lock

from jinja2 import Environment, PackageLoader, select_autoescape

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.story import Decided, Story, Wrote

_SHOWN = 50

_templates = Environment(
    loader=PackageLoader("fhirbridge.web", "templates"),
    autoescape=select_autoescape(),
    trim_blocks=True,
    lstrip_blocks=True,
)


class Console:
    """A watcher that keeps the last findings of this process, and the page that shows them."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._lines: deque[tuple[datetime, str, str, str]] = deque(maxlen=_SHOWN)
        self._lock = Lock()

    def __call__(self, story: Story) -> None:
        """Keep what was found and written."""
        now = self._bridge.clock()
        lines: list[tuple[datetime, str, str, str]] = []
        if isinstance(story, Decided):
            lines = [
                (now, story.subject, finding.rule, finding.severity.value)
                for finding in story.decision.judgement.findings
            ]
        elif isinstance(story, Wrote):
            lines = [
                (now, story.subject, each.action, f"{each.source}:{each.type}/{each.id}")
                for each in story.done
            ]
        with self._lock:
            self._lines.extendleft(lines)

    def page(self) -> str:
        """The page as HTML."""
        bridge, now = self._bridge, self._bridge.clock()
        links = bridge.store.subscriptions()
        with self._lock:
            lines = list(self._lines)
        return _templates.get_template("console.html").render(
            now=now,
            mode=bridge.mode,
            sources=[
                (source, [link for link in links if link.source == source.name])
                for source in bridge.sources.values()
            ],
            counts=bridge.store.counts(now),
            parked=bridge.store.parked(_SHOWN),
            lines=lines,
        )
