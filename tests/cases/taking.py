"""Recording persons of a small hospital in memory, as the command does it."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from fhirbridge import wiring
from fhirbridge.bridge.ports import Server
from fhirbridge.cases.document import Case
from fhirbridge.cases.recording import record
from fhirbridge.cases.shelved import Tape
from tests.bridge.estate import Estate


def recorded(estate: Estate, subjects: Sequence[str] = ("ehr:Patient/p-1",), seed: int = 1) -> Case:
    """A case of persons as they stand now."""
    tapes: dict[str, Tape] = {}

    def around(server: Server) -> Server:
        tapes[server.name] = Tape(server)
        return tapes[server.name]

    now = estate.clock()
    bridge = wiring.wire(
        estate.settings,
        clock=lambda: now,
        ids=lambda: next(estate.ids),
        retries=0,
        transports=estate.servers,
        around=around,
    )
    try:
        return record(estate.settings, bridge, tapes, subjects, Random(seed))
    finally:
        wiring.unwire(bridge)
