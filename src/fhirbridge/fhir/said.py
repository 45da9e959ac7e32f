"""Our own Tasks as they stand on the server, read back as what we *said*.

What a Task stands for is in its identifier (key and episode), its digest in an input, and what
became of it in status and businessStatus together: a `completed` that carries a businessStatus
of ours was closed by us, any other by a person, whose word stands (docs/decisions.md, 16).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime

from fhirbridge.core.facts import Ref
from fhirbridge.core.plan import Said, Told, Why
from fhirbridge.core.roots import ROOT_RULE

from . import doubles, ours
from .ours import Json
from .replies import is_unread
from .told import instant

#: Task.status (R4 §12.10, TaskStatus) -> what became of a Task that we did not close ourselves.
#: A status that is not here counts as started: what we do not understand we do not take away.
TOLD: Mapping[str, Told] = {
    "draft": Told.OPEN,
    "requested": Told.OPEN,
    "received": Told.OPEN,
    "ready": Told.OPEN,
    "accepted": Told.STARTED,
    "in-progress": Told.STARTED,
    "on-hold": Told.STARTED,
    "completed": Told.COMPLETED,
    "cancelled": Told.COMPLETED,  # by a person: no longer wanted, which is a word too
    "rejected": Told.REFUSED,
    "failed": Told.REFUSED,
    "entered-in-error": Told.DELETED,
}


def said(task: Json, source: str, instance: str | None = None) -> Said | None:
    """A Task as `Said`; None when it is no Task of ours (of this installation).

    `source` is the server that it was read from. Without `instance`, a Task of any installation
    is taken for ours: right for files, never for a server that several installations share.
    """
    name = ours.name_of(task, instance)
    id_ = task.get("id")
    if task.get("resourceType") != "Task" or name is None or not isinstance(id_, str):
        return None
    if doubles.is_withdrawn(task):
        return None
    key, _, number = name.rpartition(".")
    if not key or not number.isascii() or not number.isdecimal():
        return None
    rule = ours.code_of(task.get("reasonCode"), ours.RULE) or ""
    remembered = {code: each.get("valueString") for code, each in ours.inputs(task)}
    meta = task.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    version = meta.get("versionId")
    return Said(
        key=key,
        episode=int(number),
        ref=Ref(source, "Task", id_, version if isinstance(version, str) else None),
        told=_told(task),
        digest=_text(remembered.get(ours.DIGEST)),
        noted=_text(remembered.get(ours.NOTED)),
        rule=rule,
        root=rule == ROOT_RULE,
        occasion=_occasion(task, instance),
        written=instant(task.get("authoredOn")),
        updated=instant(meta.get("lastUpdated")),
        itself=remembered[ours.SELF] == id_ if ours.SELF in remembered else None,
        owner=_owner(task),
        due=_due(task),
        priority=_text(task.get("priority")),
        reminded=_day(remembered.get(ours.REMINDED)),
        untouched=_untouched(task, version) and ours.SELF not in remembered,
        retracted=_told(task) is Told.COMPLETED
        and ours.code_of(task.get("businessStatus"), ours.STATUS) == Why.RETRACTED,
    )


def _told(task: Json) -> Told:
    status = task.get("status")
    ours_last = ours.code_of(task.get("businessStatus"), ours.STATUS)
    if status in ("completed", "cancelled") and ours_last in ours.CLOSED_BY_US:
        return Told.CLOSED_BY_US
    if is_unread(task):
        return Told.REFUSED  # nothing was decided: the coordinator finds out what was meant
    return TOLD.get(status, Told.STARTED) if isinstance(status, str) else Told.STARTED


def _untouched(task: Json, version: object) -> bool:
    """Is it as it was created, as far as one can see? Versions that count begin with 1."""
    if isinstance(version, str) and version.isdecimal() and version != "1":
        return False
    created = task.get("authoredOn")
    is_open = ours.code_of(task.get("businessStatus"), ours.STATUS) == "open"
    is_asked = task.get("status") == "requested" and "note" not in task
    return is_open and is_asked and task.get("lastModified", created) == created


def _owner(task: Json) -> str:
    """The role that was asked, as we wrote it."""
    roles = (ours.code_of(each, ours.ROLE) for each in ours.items(task, "performerType"))
    return next((role for role in roles if role), "")


def _due(task: Json) -> datetime | None:
    restriction = task.get("restriction")
    period = restriction.get("period") if isinstance(restriction, Mapping) else None
    return instant(period.get("end")) if isinstance(period, Mapping) else None


def _day(value: object) -> date | None:
    try:
        return date.fromisoformat(_text(value))
    except ValueError:
        return None


def _occasion(task: Json, instance: str | None) -> str:
    group = task.get("groupIdentifier")
    if isinstance(group, Mapping) and ours.is_ours(group, instance, ours.OCCASION):
        return _text(group.get("value"))
    return ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
