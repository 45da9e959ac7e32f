"""What the database's own word for a fault means to whoever runs us, and what to do.

The words are SQLSTATEs (PostgreSQL, appendix A) and SQLite's names of its result codes; where a
driver gives none, the class of its error. They name no row and no person.
"""

from __future__ import annotations

_GONE = "the database does not answer: start it, or see whether the network leads there"
_FULL = "the disk is full: make room"
_HELD = "somebody else holds the database: a backup, a shell, a second program?"
_REFUSED = "the database refuses our user: see user and password in `store`"
_DAMAGED = "the file is damaged, or no database: restore a copy, or begin anew and sweep --full"

_MEANING = {
    "SQLITE_FULL": _FULL,
    "SQLITE_BUSY": _HELD,
    "SQLITE_LOCKED": _HELD,
    "SQLITE_READONLY": "the file may not be written: see its owner and mode, and the mount",
    "SQLITE_CANTOPEN": "the file cannot be opened: see its folder, owner and mode",
    "SQLITE_IOERR": "the disk fails: see the system's log",
    "SQLITE_CORRUPT": _DAMAGED,
    "SQLITE_NOTADB": _DAMAGED,
    "53100": _FULL,
    "53200": "the database has no memory left",
    "53300": "the database has no connection left: raise max_connections, or run fewer processes",
    "55P03": _HELD,
    "57P01": "the database is being stopped",
    "57P02": "the database crashed, and recovers",
    "57P03": "the database is starting",
    "25006": "the database takes no writes: is it a standby?",
    "28000": _REFUSED,
    "28P01": _REFUSED,
    "3D000": "there is no database of that name: create it",
    "42501": "our user may not do that: give it the tables",
    "OperationalError": _GONE,
    "InterfaceError": _GONE,
}


def told(kind: str) -> str:
    """The fault in words, with its own name, by which it is found in the database's documents."""
    plain = "_".join(kind.split("_")[:2])  # SQLITE_BUSY_SNAPSHOT is a SQLITE_BUSY
    meaning = _MEANING.get(kind) or _MEANING.get(plain)
    return f"{meaning} ({kind})" if meaning else kind
