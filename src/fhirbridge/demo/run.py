"""`fhirbridge demo`: start everything, play every journey, say whether each ended as it should."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TextIO

from fhirbridge.journeys.estate import Clock
from fhirbridge.journeys.play import play, prepare
from fhirbridge.journeys.script import fixtures, journeys

from .estate import HOLDS, embedded
from .lines import unheld
from .narrator import Ending, Narrator, Printer, Recorder, Site


def run(
    stream: TextIO,
    *,
    machine: bool = False,
    keep_open: bool = False,
    folder: Path | None = None,
) -> bool:
    """Play all journeys and tell them on `stream`; answers whether all ended as expected.

    `machine`: NDJSON instead of text. `keep_open`: stay up afterwards until interrupted.
    `folder`: other journeys than those that are shipped.
    """
    folder = folder or fixtures()
    found = journeys(folder)
    output = Recorder(stream) if machine else Printer(stream)
    narrator = Narrator(output, len(found))
    clock = Clock(found[0].script.as_of)
    with (
        tempfile.TemporaryDirectory(prefix="fhirbridge-demo-") as here,
        embedded(Path(here), clock=clock, watcher=narrator.watch) as running,
    ):
        urls = {name: running.estate.hosts[name].base_url for name in HOLDS}
        kinds = {kind for held in HOLDS.values() for kind in held}
        output.began(Site(urls, running.service.url, running.subscriptions, unheld(kinds)))
        prepare(folder, running.estate)
        running.estate.rest()
        results = [play(each, running.estate, narrator.tell) for each in found]
        reads = {name: count or 0 for name, count in running.estate.reads().items()}
        ending = Ending(results, narrator.tallies, narrator.decisions, reads)
        output.ended(ending)
        if keep_open:
            print("Everything stays up until Ctrl-C.", file=sys.stderr)
            running.service.wait()
    return ending.ok
