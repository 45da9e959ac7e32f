"""`fhirbridge audit`: the bridge's decisions over files, with no server.

    audit = Audit(decider, systems, zones)
    with audit.over([Export("ehr", (Path("export"),))]) as result: ...

Memory stays bounded whatever the size of the files. Pass 1 reads them line by line and notes on
disk where each record lies, whose it is and whether it may be about a therapy that we know
(`shapes`, `shelf`). Pass 2 takes the persons whom such a record names, one by one: it finds their
records on all sources (`people`), reads them and decides with the bridge's own
`bridge.deciding.Decider`. Everybody else is never read in full.

What could not be read is counted with its place and reason, never quoted and never raised.
"""

from .crew import Lost, processors
from .inputs import Export, NotFound, exports
from .running import Audit, Result
from .summary import Summary

__all__ = ["Audit", "Export", "Lost", "NotFound", "Result", "Summary", "exports", "processors"]
