"""The store: what we were told (journal) and what we owe (due marks), and who is who.

Start with `records.py` (the nouns) and `facade.py` (the contract); `schema.py` has the tables.
Below them one module for each concern, written as functions of an open transaction (`Tx`):
`journal` and `versions` (hearing), `marks` and `leases` (owing and working), `people` and
`joining` (aliases), `links` (watermarks, subscriptions), `retention` (forgetting). `group.py`
lets concurrent deliveries share a commit.

The broker may lose everything; this may not. It is the only place that knows SQLAlchemy.
"""

from .facade import Store
from .group import Busy, GroupCommit
from .records import (
    Counts,
    Delivery,
    Heard,
    JournalEvent,
    JournalLine,
    Lease,
    LostLease,
    Mark,
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
    "Delivery",
    "GroupCommit",
    "Heard",
    "JournalEvent",
    "JournalLine",
    "Lease",
    "LostLease",
    "Mark",
    "Store",
    "StoreError",
    "StoredEvent",
    "SubscriptionRow",
    "Unwritable",
    "WriteRecord",
    "Written",
]
