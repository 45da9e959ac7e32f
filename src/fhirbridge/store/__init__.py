"""The store: what we were told (journal) and what we owe (due marks), and who is who.

Start with `records.py` (the nouns) and `facade.py` (the contract); `schema.py` has the tables.
Below them one module for each concern, written as functions of an open transaction (`Tx`):
`journal` and `versions` (hearing), `marks` and `leases` (owing and working), `people` and
`joining` (aliases), `links` (watermarks, subscriptions), `numbering` (event numbers), `retention`
(forgetting). `group` lets concurrent deliveries share a commit.

The broker may lose everything; this may not. It is the only place that knows SQLAlchemy.
"""

from .facade import Store
from .group import Busy, GroupCommit
from .records import (
    Counts,
    Debounce,
    Delivery,
    Gap,
    Heard,
    JournalEvent,
    JournalLine,
    Lease,
    LostLease,
    Mark,
    Numbered,
    StoredEvent,
    StoreError,
    SubscriptionRow,
    Unwritable,
    WriteRecord,
    Written,
)

__all__ = [
    "Busy",
    "Counts",
    "Debounce",
    "Delivery",
    "Gap",
    "GroupCommit",
    "Heard",
    "JournalEvent",
    "JournalLine",
    "Lease",
    "LostLease",
    "Mark",
    "Numbered",
    "Store",
    "StoreError",
    "StoredEvent",
    "SubscriptionRow",
    "Unwritable",
    "WriteRecord",
    "Written",
]
